import fc from 'fast-check'
import { expect, test } from 'vitest'
import { get, post } from '../support/http.ts'
import { expectProblemShape } from '../support/problems.ts'
import { sharedService } from '../support/shared-service.ts'
import { aWorkflow } from '../support/workflows.ts'

const service = sharedService({ roles: ['ingress'] })

const DOCUMENTED = { workflows: [201, 400, 409, 413, 422], 'workflow-requests': [202, 400, 413] }

/** Any character, among them those that databases, parsers and terminals trip over. */
const text = fc.string({
  unit: fc.oneof(
    { weight: 4, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('\0', '\ud800', '\u2028', '\u202e', "'", '"', '\\', '{', '/', '~'),
    },
  ),
})
const name = fc.oneof(
  text,
  fc.constantFrom(
    '__proto__',
    'constructor',
    'toString',
    'length',
    '',
    ...Object.keys(aWorkflow()),
    'parameters',
  ),
)
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    text,
    fc.double(),
    fc.maxSafeInteger(),
    fc.constantFrom(null, true, false, -0, 2 ** 53, 1e308, 5e-324),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(name, tie('value'), { maxKeys: 4 }),
  ),
})).value

/** A valid body with some of its fields made anything else. */
const almostValid = fc
  .dictionary(
    fc.constantFrom(
      ...Object.keys(aWorkflow()),
      'parameters',
      'custom_labels',
      'detected_labels',
      'owner',
      'status',
    ),
    fc.oneof(json, text),
    { maxKeys: 3 },
  )
  .map((fields) => aWorkflow(fields))

/** A body that is likely to be valid, with any text in every place that takes one. */
const anyText = fc
  .record({
    ...{ workflow_name: text, name: text, description: text, content: text, owner: text },
    labels: fc.dictionary(text, fc.oneof(text, fc.array(text))),
    detected_labels: fc.dictionary(text, fc.oneof(text, fc.double(), fc.boolean())),
    parameters: fc.oneof(fc.dictionary(text, json), fc.array(json)),
  })
  .map((fields) => aWorkflow(fields))

test.each(['workflows', 'workflow-requests'] as const)(
  'any JSON at all has a documented answer at %s, and never a 500',
  async (door) => {
    const seen = new Map<number, number>()
    await fc.assert(
      fc.asyncProperty(fc.oneof(json, almostValid, anyText), async (value) => {
        const { status, headers, body } = await post(`${service.url}/api/v1/${door}`, JSON.stringify(value))
        seen.set(status, (seen.get(status) ?? 0) + 1)
        expect(DOCUMENTED[door]).toContain(status)
        if (status >= 400) {
          expect(headers.get('content-type')).toMatch(/^application\/problem\+json/)
          expect(body.status).toBe(status)
          expectProblemShape(body)
        } else if (status === 201) {
          const stored = await get(`${service.url}${headers.get('location')}`)
          expect(stored.body).toEqual(body)
          for (const [field, sent] of Object.entries(JSON.parse(JSON.stringify(value))))
            if (sent !== null) expect(body).toHaveProperty([field], sent)
        }
      }),
      { numRuns: 600, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: true },
    )
    expect([...seen.keys()]).toEqual(expect.arrayContaining([DOCUMENTED[door][0], 400]))
  },
)
