import { describe, expect, test } from 'vitest'
import { parseConfig } from '../../src/config.ts'
import { eventPage } from '../../src/http/event-page.ts'
import { line, markdown } from '../../src/http/markdown.ts'
import { schemaTable } from '../../src/http/schema-table.ts'
import { asyncApiDocument } from '../../src/kafka/contract/asyncapi.ts'
import { expectProblem } from '../support/problems.ts'
import { sharedService } from '../support/shared-service.ts'

const document = asyncApiDocument(parseConfig({}).topics, 'https://problems.example')
const page = eventPage(document)

const HOSTILE = `"><script>alert(1)</script>'&\`<img src=x onerror=alert(1)>\``

describe('the page about events', () => {
  test('has every topic, operation, message, header, field and example', () => {
    const { channels, operations, components } = document
    const fields = Object.values(components.messages).flatMap(({ headers }) =>
      Object.keys(headers.properties),
    )
    const data = Object.values(components.schemas).flatMap(({ properties }) => Object.keys(properties ?? {}))
    const texts = [
      ...Object.values(channels).flatMap(({ address, title }) => [address ?? title, title]),
      ...Object.values(operations).map(({ title }) => title),
      ...Object.values(components.messages).map(({ title }) => title),
      ...[...fields, ...data].map((name) => `<code>${name}</code>`),
      ...Object.values(components.messages).flatMap(({ examples }) => examples.map(({ summary }) => summary)),
    ]
    expect(texts.length).toBeGreaterThan(100)
    for (const text of texts) expect(page).toContain(text)
  })

  test('has what each of its links leads to, and each name of a place once', () => {
    const places = [...page.matchAll(/ id="([^"]+)"/g)].map(([, place]) => place!)
    expect(new Set(places).size).toBe(places.length)
    const targets = [...page.matchAll(/href="#([^"]+)"/g)].map(([, target]) => target!)
    expect(targets.length).toBeGreaterThan(20)
    expect(targets.filter((target) => !places.includes(target))).toEqual([])
  })

  test('lets nothing from the document become markup', () => {
    const hostile = JSON.parse(JSON.stringify(document), (_name, value: unknown) =>
      typeof value === 'string' && !value.startsWith('#/') ? HOSTILE : value,
    )
    hostile.components.schemas[HOSTILE] = {
      properties: { [HOSTILE]: { pattern: HOSTILE, default: HOSTILE } },
    }
    const made = eventPage(hostile)
    expect(made).toContain('&#60;script&#62;')
    expect(made).not.toMatch(/<script|<img|"">/i)
    const unquoted = made.replaceAll(/"[^"]*"/g, '')
    expect(unquoted.match(/<[^>]*[^a-z0-9 =/<>!-][^>]*>/gi) ?? []).toEqual([])
  })
})

describe('a table of fields', () => {
  const row = (schema: Record<string, unknown>, named = {}) =>
    schemaTable({ properties: { field: schema } }, named)
      .text.replace(/^.*<tbody>/s, '')
      .replaceAll(/<(?!a )[^>]+>|\n/g, ' ')
      .replaceAll(/ +/g, ' ')
      .trim()

  test.each([
    [{ type: 'string', minLength: 1, maxLength: 255 }, 'string 1 to 255 characters'],
    [{ type: 'string', minLength: 1 }, 'string not empty'],
    [{ type: 'string', maxLength: 9 }, 'string at most 9 characters'],
    [{ type: 'string', pattern: '^a$' }, 'string like ^a$'],
    [{ type: 'string', format: 'uuid', pattern: '^a$' }, 'uuid'],
    [{ type: 'integer', minimum: 400, maximum: 599 }, 'integer 400 to 599'],
    [{ type: 'array', items: { type: 'string' }, maxItems: 2 }, 'list of string at most 2 items'],
    [{ type: 'object', additionalProperties: { type: 'string' } }, 'object of string'],
    [{ type: 'object', additionalProperties: {} }, 'object'],
    [{ type: ['string', 'null'], default: null }, 'string or null default null'],
    [{ anyOf: [{ type: 'string', minLength: 1 }, { type: 'null' }] }, 'string or null not empty'],
    [{ enum: ['a', 'b'] }, 'a , b'],
    [{ const: 'a' }, 'a'],
    [{}, 'anything'],
  ])('says what %o is', (schema, text) => {
    expect(row(schema)).toBe(`field ${text}`)
  })

  test('says what a name stands for, and leads to an object', () => {
    const named = { Word: { enum: ['a'] }, Thing: { properties: {} } }
    expect(row({ $ref: '#/components/schemas/Word', description: 'A word' }, named)).toBe('field a A word')
    expect(row({ allOf: [{ $ref: '#/components/schemas/Thing' }] }, named)).toMatch(
      /^field <a href="#schema-Thing"> ?Thing/,
    )
  })

  test('tells required fields from others, and what is ignored at its end', () => {
    const { text } = schemaTable(
      {
        properties: { a: {}, b: {}, old: { deprecated: true } },
        patternProperties: { '^expected_': {} },
        required: ['a'],
      },
      {},
    )
    expect(text.match(/<code>(\w+)<\/code> <span class="required">/g)).toHaveLength(1)
    expect(text).toContain('Accepted and ignored: <code>old</code>, <code>expected_…</code>')
  })
})

test('Markdown becomes headings, paragraphs, lists and code', () => {
  const text = '## What it *is*\n\nA `code` here.\n\n- one\n- `two`\n\n```\na  <b>\n```'
  expect(markdown(text).text).toBe(
    `<h2 id="what-it-is-">What it *is*</h2>
<p>A <code>code</code> here.</p>
<ul><li>one</li>
<li><code>two</code></li>
</ul>
<pre><code>a  &#60;b&#62;</code></pre>
`,
  )
  expect(line('`a` & b').text).toBe('<code>a</code> &#38; b')
})

describe('GET /docs/events', () => {
  const service = sharedService({ roles: ['ingress'] })
  const ask = (path: string, method = 'GET') => fetch(service.url + path, { method })

  test('is the page, with the topics of this service', async () => {
    const response = await ask('/docs/events')
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(await response.text()).toContain(service.env.REQUEST_TOPIC)
  })

  test('may run nothing and load nothing but its style sheet, and needs no more', async () => {
    const response = await ask('/docs/events')
    expect(response.headers.get('content-security-policy')).toBe(
      "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    )
    const text = await response.text()
    expect(text).not.toMatch(/<script|<style|<img|<iframe| style=| on\w+=|src=|(href|url)\W*https?:/i)
    const sheet = await ask('/docs/events.css')
    expect(sheet.headers.get('content-type')).toBe('text/css; charset=utf-8')
    expect(await sheet.text()).not.toMatch(/url\(|@import/)
  })

  test('and everything that it links to is there', async () => {
    const text = await (await ask('/docs/events')).text()
    const links = new Set([...text.matchAll(/href="(\/[^"]*)"/g)].map(([, href]) => href!))
    expect(links).toContain('/docs')
    expect(links).toContain('/asyncapi.json')
    for (const href of links)
      expect({ href, status: (await ask(href)).status }).toEqual({ href, status: 200 })
  })

  test('is linked from the description of the HTTP operations', async () => {
    const openApi = await (await ask('/openapi.json')).json()
    expect(openApi).toMatchObject({ externalDocs: { url: '/docs/events' } })
  })

  test.each(['/docs/events', '/docs/events.css'])('POST %s is a 405 problem', async (path) => {
    const response = await ask(path, 'POST')
    expectProblem(
      { status: response.status, headers: response.headers, body: await response.json() },
      'method-not-allowed',
    )
  })

  test('leaves no line in the log', async () => {
    const before = service.logs.length
    await ask('/docs/events')
    expect(service.logs.slice(before)).toEqual([])
  })
})
