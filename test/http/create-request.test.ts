import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { get, post } from '../support/http.ts'
import { plainKafka } from '../support/kafka.ts'
import { expectProblem } from '../support/problems.ts'
import { sharedService } from '../support/shared-service.ts'
import { aWorkflow } from '../support/workflows.ts'

const service = sharedService({ roles: ['ingress'] })

/** How much the service has stored and sent since it started. */
async function traces() {
  const { rows } = await service.owner.query(
    `select (select count(*)::int from workflow) as workflows,
       (select count(*)::int from registration_request) as requests`,
  )
  const admin = plainKafka(service).admin()
  await admin.connect()
  const ends = await admin.fetchTopicOffsets(service.env.REQUEST_TOPIC!)
  await admin.disconnect()
  return { ...rows[0], records: ends.reduce((sum, { high }) => sum + Number(high), 0) }
}

describe.each(['workflows', 'workflow-requests'])('POST /api/v1/%s', (door) => {
  const create = (body: unknown) => post(`${service.url}/api/v1/${door}`, body)

  /** A body with this text in the place of a value, for what no JSON writer would write. */
  const withValue = (text: string, fields: Record<string, unknown> = {}) =>
    JSON.stringify(aWorkflow({ parameters: { here: 'PLACE' }, ...fields })).replace('"PLACE"', text)

  describe('400', () => {
    let before: unknown
    beforeEach(async () => {
      before = await traces()
    })
    afterEach(async () => {
      expect(await traces()).toEqual(before)
      expect((await get(`${service.url}/health/live`)).status).toBe(200)
    })

    const long = 'x'.repeat(256)
    const wrong: [field: string, value: unknown, detail: string, pointer?: string][] = [
      ...['workflow_name', 'version', 'name', 'description', 'content', 'execution_engine'].flatMap(
        (field): [string, unknown, string][] => [
          [field, undefined, 'is required'],
          [field, null, 'is required'],
        ],
      ),
      ...['workflow_name', 'version', 'name', 'description', 'content', 'content_hash', 'owner'].map(
        (field): [string, unknown, string] => [field, 7, 'must be a string'],
      ),
      ['maintainer', ['me'], 'must be a string'],
      ['container_image', {}, 'must be a string'],
      ['container_digest', true, 'must be a string'],
      ['workflow_name', '', 'must not be empty'],
      ['workflow_name', long, 'must have at most 255 characters'],
      ['workflow_name', '🚀'.repeat(256), 'must have at most 255 characters'],
      ['name', '', 'must not be empty'],
      ['content', '', 'must not be empty'],
      ...['v1.0.0', '1.0', '01.0.0', '1.0.0-', '1.0.0-01', ' 1.0.0', '1.0.0\n', 'latest', ''].map(
        (version): [string, unknown, string] => [
          'version',
          version,
          "must be a semantic version such as '1.0.0' (no 'v')",
        ],
      ),
      ['version', `1.0.0-${long}`, 'must have at most 255 characters'],
      ['content_hash', 'f'.repeat(64), 'is not the SHA-256 of content'],
      ['content_hash', 'F'.repeat(64), 'must be a SHA-256 in lower-case hex'],
      ['content_hash', 'f'.repeat(63), 'must be a SHA-256 in lower-case hex'],
      ['execution_engine', 'argo', 'must be one of: tekton'],
      ['execution_engine', 7, 'must be one of: tekton'],
      ['status', 'gone', 'must be one of: active, disabled, deprecated, archived'],
      ['labels', { a: 1 }, 'must be a text or a list of texts', '/labels/a'],
      ['labels', { 'a/b~c': [1] }, 'must be a text or a list of texts', '/labels/a~1b~0c'],
      ['custom_labels', { a: null }, 'must be a text or a list of texts', '/custom_labels/a'],
      [
        'detected_labels',
        { a: {} },
        'must be a text, number, boolean or a list of them',
        '/detected_labels/a',
      ],
      ['parameters', 'text', 'must be an object or a list'],
      ['colour', 'red', 'is not a known field'],
      ['Version', '1.0.0', 'is not a known field'],
      ['a/b~c', 1, 'is not a known field', '/a~1b~0c'],
      ['status_reason', 'because', 'is not a known field'],
    ]
    const cases = wrong.map(([field, value, detail, pointer = `/${field}`]) => ({
      field,
      value,
      detail,
      pointer,
    }))
    test('names the one field that is wrong, and how', async () => {
      const answers = await Promise.all(
        cases.map(({ field, value }) => create(aWorkflow({ [field]: value }))),
      )
      for (const [n, { field, value, pointer, detail }] of cases.entries()) {
        const problem = expectProblem(answers[n]!, 'validation-error')
        expect({ field, value, errors: problem.errors }).toEqual({
          field,
          value,
          errors: [{ pointer, detail }],
        })
        expect(problem.detail).toBe(`${pointer} ${detail}`)
      }
    })

    test.each(['labels', 'custom_labels', 'detected_labels'])(
      'calls %s an object, as JSON does',
      async (field) => {
        const problem = expectProblem(await create(aWorkflow({ [field]: ['a'] })), 'validation-error')
        expect(problem.errors).toEqual([{ pointer: `/${field}`, detail: 'must be an object' }])
      },
    )

    test('names every wrong field at once', async () => {
      const body = aWorkflow({
        version: 'v1.0.0',
        name: 7,
        content: undefined,
        labels: { a: 1, b: 'fine', c: 2 },
        colour: 'red',
        flavour: 'sweet',
      })
      const { errors } = expectProblem(await create(body), 'validation-error')
      expect(errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual([
        '/colour',
        '/content',
        '/flavour',
        '/labels/a',
        '/labels/c',
        '/name',
        '/version',
      ])
    })

    test.each(['[]', '"text"', '7', 'true', 'null'])('refuses %s, which is not an object', async (body) => {
      const { errors } = expectProblem(await create(body), 'validation-error')
      expect(errors).toEqual([{ pointer: '', detail: 'must be a JSON object' }])
    })

    test.each([
      ['half a body', '{"workflow_name":'],
      ['two bodies', '{}{}'],
      ['a comment', '{} // done'],
      ['single quotes', "{'a':1}"],
      ['NaN', '{"a":NaN}'],
      ['white space alone', ' \n'],
      ['bytes that are not UTF-8', Uint8Array.of(0x22, 0xff, 0x22)],
      ['an encoded surrogate', Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22)],
      ['compressed bytes', Uint8Array.of(0x1f, 0x8b, 8, 0)],
    ])('refuses %s, which is not JSON', async (_what, body) => {
      const { errors } = expectProblem(await create(body), 'validation-error')
      expect(errors).toEqual([{ pointer: '', detail: 'is not JSON in UTF-8' }])
    })

    test('refuses an empty body', async () => {
      for (const headers of [{}, { 'content-type': 'application/json' }]) {
        const response = await fetch(`${service.url}/api/v1/${door}`, { method: 'POST', headers })
        const answer = { status: response.status, headers: response.headers, body: await response.json() }
        expect(expectProblem(answer, 'validation-error').errors).toEqual([
          { pointer: '', detail: 'is empty' },
        ])
      }
    })

    const deep = 'is nested deeper than 64 levels'
    const many = 'has more than 10000 values'
    const keys = (count: number) =>
      `{${Array.from({ length: count }, (_, n) => `"${n.toString(36)}":0`).join(',')}}`
    test.each([
      ['65 levels', withValue(`${'['.repeat(63)}${']'.repeat(63)}`), deep],
      ['5000 levels of lists', withValue(`${'['.repeat(5000)}${']'.repeat(5000)}`), deep],
      ['5000 levels of objects', withValue(`${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`), deep],
      ['250 000 levels and nothing else', `${'['.repeat(250_000)}${']'.repeat(250_000)}`, deep],
      ['a list of 70 000 values', withValue(`[${'0,'.repeat(69_999)}0]`), many],
      ['an object of 60 000 keys', withValue(keys(60_000)), many],
      ['60 000 unknown fields', keys(60_000), many],
      ['10 001 values in small lists', withValue(`[${'[0,0,0],'.repeat(2_500)}0]`), many],
    ])('refuses %s', async (_what, body, detail) => {
      const problem = expectProblem(await create(body), 'validation-error')
      expect(problem.errors).toEqual([{ pointer: '', detail }])
    })

    const inexact = 'is a number that JSON cannot carry exactly: send it as a string'
    const nul = 'contains a NUL character'
    const half = 'contains half of a surrogate pair'
    test.each([
      ['9007199254740993', '/parameters/here', inexact],
      ['-9007199254740992', '/parameters/here', inexact],
      ['1e22', '/parameters/here', inexact],
      ['1e400', '/parameters/here', inexact],
      ['[1,[-1e400]]', '/parameters/here/1/0', inexact],
      ['"a\\u0000b"', '/parameters/here', nul],
      ['"\\ud800"', '/parameters/here', half],
      ['"\\udc00\\ud800"', '/parameters/here', half],
      ['{"a\\u0000":1}', '/parameters/here/a�', `a field's name: ${nul}`],
      ['{"\\udfff":1}', '/parameters/here/�', `a field's name: ${half}`],
      [
        '{"__proto__":{"polluted":1}}',
        '/parameters/here/__proto__',
        "a field's name: is a name that is not allowed",
      ],
    ])('refuses %s, and says where it is', async (text, pointer, detail) => {
      const problem = expectProblem(await create(withValue(text)), 'validation-error')
      expect(problem.errors).toEqual([{ pointer, detail }])
    })

    test.each(['workflow_name', 'content', 'owner', 'unknown'])(
      'refuses NUL and half of a surrogate pair in %s',
      async (field) => {
        for (const [text, detail] of [
          ['a\0', nul],
          ['a\ud800', half],
        ] as const) {
          const problem = expectProblem(await create(aWorkflow({ [field]: text })), 'validation-error')
          expect(problem.errors).toEqual([{ pointer: `/${field}`, detail }])
        }
      },
    )

    test('refuses __proto__ as a field, which changes no object', async () => {
      const body = JSON.stringify(aWorkflow()).replace('{', '{"__proto__":{"status":"archived"},')
      const problem = expectProblem(await create(body), 'validation-error')
      expect(problem.errors).toMatchObject([{ pointer: '/__proto__' }])
      expect(({} as Record<string, unknown>).status).toBeUndefined()
    })

    test('names at most 100 things in texts of bounded length that any parser takes, whatever was sent', async () => {
      for (const offset of ['', 'x', 'xx']) {
        const names = Array.from({ length: 300 }, (_, n) => `${offset}${'😀'.repeat(120)}${n}`)
        const fields = Object.fromEntries(names.map((name) => [name, 1]))
        const problem = expectProblem(await create(aWorkflow(fields)), 'validation-error')
        expect(problem.errors).toHaveLength(100)
        expect(problem.detail.length).toBeLessThanOrEqual(1000)
      }
    })
  })

  test('413: a body over 512 KiB is refused in words, however it is sent', async () => {
    const before = await traces()
    const tooLarge = JSON.stringify(aWorkflow({ content: 'x'.repeat(512 * 1024) }))
    expectProblem(await create(tooLarge), 'payload-too-large')
    const chunked = await fetch(`${service.url}/api/v1/${door}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: ReadableStream.from([new TextEncoder().encode(tooLarge)]),
      duplex: 'half',
    })
    const { status, headers } = chunked
    expectProblem({ status, headers, body: await chunked.json() }, 'payload-too-large')
    expect(await traces()).toEqual(before)
  })

  test('415: a body that is not application/json is refused', async () => {
    const before = await traces()
    const body = JSON.stringify(aWorkflow())
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/jsonp',
      'application/xml',
      '',
    ])
      expectProblem(
        await post(`${service.url}/api/v1/${door}`, body, { 'content-type': type }),
        'unsupported-media-type',
      )
    expect(await traces()).toEqual(before)
  })

  const accepted = door === 'workflows' ? 201 : 202
  test(`${accepted}: what is just within the limits is accepted`, async () => {
    const content = aWorkflow().content as string
    for (const body of [
      aWorkflow({ workflow_name: '🚀'.repeat(255) }),
      aWorkflow({ version: `1.0.0-${'x'.repeat(249)}` }),
      aWorkflow({ content_hash: createHash('sha256').update(content).digest('hex') }),
      aWorkflow({ description: '', labels: { constructor: 'a', toString: [] } }),
      aWorkflow({ parameters: [9007199254740991, -9007199254740991, 1.5, 1e-300] }),
      withValue(`${'['.repeat(62)}${']'.repeat(62)}`),
      withValue(`[${'0,'.repeat(9_980)}0]`),
      `\ufeff${JSON.stringify(aWorkflow())}`,
    ])
      expect((await create(body)).status).toBe(accepted)

    const frame = JSON.stringify(aWorkflow({ content: '' })).length
    const full = JSON.stringify(aWorkflow({ content: 'x'.repeat(512 * 1024 - frame) }))
    expect(full).toHaveLength(512 * 1024)
    expect((await create(full)).status).toBe(accepted)
    const types = ['application/json; charset=utf-8', 'APPLICATION/JSON']
    for (const type of types)
      expect(
        (await post(`${service.url}/api/v1/${door}`, aWorkflow(), { 'content-type': type })).status,
      ).toBe(accepted)
  })
})

describe('what a client echoes', () => {
  const create = (body: unknown) => post(`${service.url}/api/v1/workflows`, body)

  test('read-only fields are accepted and ignored, whatever they hold', async () => {
    const foreign = '00000000-0000-7000-8000-000000000000'
    const body = aWorkflow()
    const echoed = {
      workflow_id: foreign,
      created_at: '2001-01-01T00:00:00Z',
      updated_at: 'never',
      created_by: 'me',
      updated_by: { id: 1 },
      created_by_request: foreign,
      request_fingerprint: 'f'.repeat(64),
      principal: 'root',
      is_latest_version: true,
      previous_version: '0.9.0',
      total_executions: 3,
      successful_executions: 2,
      expected_success_rate: 0.9,
      expected_duration_seconds: 60,
      actual_success_rate: 0.66,
      approved_by: 'them',
      approved_at: '2001-01-01',
      disabled_at: null,
      disabled_by: '',
      disabled_reason: 'none',
      deprecation_notice: 'soon',
      version_notes: ['a'],
      change_summary: 'b',
    }
    const created = await create({ ...body, ...echoed })
    expect(created.status).toBe(201)
    expect(created.body).toMatchObject(body)
    for (const [field, value] of Object.entries(created.body))
      if (field in echoed) expect(value).not.toEqual(echoed[field as keyof typeof echoed])
    const unknown = Object.keys(echoed).filter((field) => field in created.body)
    expect(unknown.sort()).toEqual([
      'created_at',
      'created_by_request',
      'principal',
      'request_fingerprint',
      'updated_at',
      'workflow_id',
    ])
  })

  test('a workflow that was read can be sent again as another version', async () => {
    const first = await create(aWorkflow())
    const second = await create({ ...first.body, version: '1.1.0' })
    expect(second.status).toBe(201)
    expect(second.body.workflow_id).not.toBe(first.body.workflow_id)
  })

  test('null counts as absent, in known and in ignored fields', async () => {
    const body = aWorkflow({
      ...{ labels: null, custom_labels: null, detected_labels: null, parameters: null, status: null },
      ...{ owner: null, maintainer: null, container_image: null, container_digest: null },
      ...{ content_hash: null, status_reason: null, disabled_at: null },
    })
    const { status, body: created } = await create(body)
    expect(status).toBe(201)
    expect(created).toMatchObject({ labels: {}, parameters: {}, status: 'active', owner: null })
    expect(created.content_hash).toBe(createHash('sha256').update(created.content).digest('hex'))
  })
})
