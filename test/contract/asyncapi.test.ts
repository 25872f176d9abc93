import { readFileSync } from 'node:fs'
import { Parser } from '@asyncapi/parser'
import { describe, expect, test } from 'vitest'
import { parseConfig } from '../../src/config.ts'
import { asyncApiDocument } from '../../src/kafka/contract/asyncapi.ts'
import { eventSchemas } from '../../src/kafka/contract/schemas.ts'
import { differences } from './differences.ts'
import { asyncApi, complaintsBy, complaintsByJsonSchema } from './events.ts'
import { ASYNCAPI_SNAPSHOT, makeAsyncApiSnapshot } from './generate.ts'

const snapshot = readFileSync(ASYNCAPI_SNAPSHOT, 'utf8')
const { messages, schemas } = asyncApi.components
const RENEW = 'look at the differences; where they are meant, `npm run contract` takes them over'

test('test/contract/asyncapi.json is what the service makes', () => {
  expect(differences(JSON.parse(snapshot), JSON.parse(makeAsyncApiSnapshot())), RENEW).toEqual([])
  expect(snapshot === makeAsyncApiSnapshot(), `only the order or the layout differs: ${RENEW}`).toBe(true)
})

describe('the document', () => {
  test('is valid AsyncAPI 3.0, and its parser has nothing to say but that there is a later version', async () => {
    const { document, diagnostics } = await new Parser().parse(snapshot)
    expect(diagnostics.map(({ code }) => code)).toEqual(['asyncapi-latest-version']) // 3.0 is what most tools read
    expect(document?.version()).toBe('3.0.0')
  })

  test.each([
    ['a reference to nothing', '#/components/schemas/CreateWorkflow', '#/components/schemas/Nothing'],
    ['an action that is none', '"send"', '"shout"'],
  ])('would not be valid with %s', async (_what, good, bad) => {
    const { document, diagnostics } = await new Parser().parse(snapshot.replace(good, bad))
    expect(document).toBeUndefined()
    expect(diagnostics.filter(({ severity }) => severity === 0)).toHaveLength(1)
  })

  test('names the topics that are configured, and the topics that a reply may go to', () => {
    const { topics } = parseConfig({
      REQUEST_TOPIC: 'one.in',
      REPLY_TOPIC: 'one.out',
      DEAD_LETTER_TOPIC: 'one.dead',
      ALLOWED_REPLY_TOPICS: 'team.a,team.b',
    })
    const { channels, info } = asyncApiDocument(topics, 'https://problems.example')
    expect(Object.values(channels).map(({ address }) => address)).toEqual([
      'one.in',
      'one.out',
      null,
      'one.dead',
    ])
    expect(info.description).toContain('here `team.a`, `team.b`')
    expect(info.description).not.toContain('workflow.registration')
  })

  test('has the types of problems below the address that is configured', () => {
    const elsewhere = JSON.stringify(asyncApiDocument(parseConfig({}).topics, 'https://problems.example'))
    expect(elsewhere).toContain('https://problems.example/problems/conflict')
    expect(elsewhere).not.toContain('workflow-registrar.io')
  })
})

describe.each(Object.entries(messages))('the message %s', (_name, { headers, payload, examples }) => {
  test.each(examples)('has a valid example: $name', (example) => {
    expect(complaintsBy(asyncApi, headers, example.headers)).toEqual([])
    expect(complaintsBy(asyncApi, payload, example.payload)).toEqual([])
  })
})

test.each([
  ['requestedBinary', { ce_specversion: '1.0' }, 'nothing'],
  ['requestedStructured', {}, { ...messages.requestedStructured!.examples[0]!.payload!, data: undefined }],
  ['requestedPlain', { 'request-id': '' }, { workflow_name: 'a' }],
  ['completed', { outcome: 'pending' }, { state: 'pending' }],
])('a message %s that is not as described would be noticed', (name, headers, payload) => {
  const described = messages[name]!
  expect(complaintsBy(asyncApi, described.headers, headers)).not.toEqual([])
  expect(complaintsBy(asyncApi, described.payload, JSON.parse(JSON.stringify(payload)))).not.toEqual([])
})

describe.each([
  ['requested', 'requestedPlain'],
  ['completed', 'completed'],
] as const)('the JSON Schema of the event %s', (event, message) => {
  const schema = eventSchemas('https://workflow-registrar.io')[event]
  const { payload, examples } = messages[message]!

  test('is what the document has, with all that it refers to', () => {
    const { $defs, $ref } = JSON.parse(JSON.stringify(schema).replaceAll('#/$defs/', '#/components/schemas/'))
    expect({ $ref }).toEqual(payload)
    expect(schemas).toMatchObject($defs)
    for (const [, name] of JSON.stringify(schema).matchAll(/"#\/\$defs\/(\w+)"/g))
      expect($defs).toHaveProperty(name!)
  })

  test('says the same of the examples', () => {
    expect(examples).not.toEqual([])
    for (const example of examples) expect(complaintsByJsonSchema(schema, example.payload)).toEqual([])
    expect(complaintsByJsonSchema(schema, {})).not.toEqual([])
  })
})
