import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { outcomeValues, requestStateValues } from '../../src/client/index.ts'
import { parseConfig } from '../../src/config.ts'
import { outcome } from '../../src/db/schema.ts'
import { outcomeTable } from '../../src/demo/report.ts'
import { tallyPass } from '../../src/demo/tally.ts'
import { DOORS } from '../../src/domain/door.ts'
import { OUTCOMES, outcomeSchema, requestStateSchema } from '../../src/domain/outcome.ts'
import type { Settled } from '../../src/domain/request.ts'
import { openApiDocument } from '../../src/http/contract/openapi.ts'
import { asyncApiDocument } from '../../src/kafka/contract/asyncapi.ts'
import { eventSchemas } from '../../src/kafka/contract/schemas.ts'
import { openMetrics } from '../../src/metrics.ts'
import { logOutcome } from '../../src/outcome-log.ts'
import { replayVerifier } from '../../src/verify-replay.ts'
import { readSamples } from '../support/metrics.ts'
import { openRegistry, type Registry } from '../support/registry.ts'

let registry: Registry
beforeAll(async () => {
  registry = await openRegistry()
})
afterAll(() => registry?.close())

const BASE_URL = 'https://problems.example'
const asyncApi = asyncApiDocument(parseConfig({}).topics, BASE_URL)

type Words = readonly string[]

/** Every surface that names outcomes: each answers all the lists that it has of them, in its order. */
const SURFACES: Readonly<Record<string, () => Words[] | Promise<Words[]>>> = {
  'the schemas of zod': () => [outcomeSchema.options, requestStateSchema.options],
  'the enum of Drizzle': () => [outcome.enumValues],
  'the enum of the database': async () => {
    const [row] = await registry.sql('select enum_range(null::outcome)::text[] as words')
    return [row!.words as string[]]
  },
  OpenAPI: () => enumsIn(openApiDocument(BASE_URL)),
  AsyncAPI: () => enumsIn(asyncApi),
  'the guide in AsyncAPI': () => [
    [...asyncApi.info.description.matchAll(/^- `(\w+)`: /gm)].map(([, word]) => word!),
  ],
  'the JSON Schemas of the events': () => enumsIn(eventSchemas(BASE_URL)),
  'the constants of the client': () => [outcomeValues, requestStateValues],
  'the lines of the log': () => [OUTCOMES.map(loggedAs)],
  'the metrics': countedAs,
  'the table of the demo': () => {
    const table = outcomeTable([tallyPass([], [], new Set())])
    return [/door +(.+?) +p50/.exec(table)![1]!.split(/ +/)]
  },
  'the counts of verify-replay': () => [
    Object.keys(emptyTally()).filter((word) => !BESIDE_OUTCOMES.has(word)),
  ],
}

test('the words are these', () => {
  expect(OUTCOMES).toEqual(['created', 'conflict', 'rejected', 'failed'])
})

test.each(Object.entries(SURFACES))('%s: these words and no others', async (_surface, listsOf) => {
  const lists = await listsOf()
  expect(lists).not.toEqual([])
  for (const words of lists) expect(words[0] === 'pending' ? words.slice(1) : words).toEqual([...OUTCOMES])
})

test('a word that is only in one place would be noticed', () => {
  const schema = {
    anyOf: [{ enum: ['created', 'lost'] }, { properties: { a: { const: 'created' } } }, { enum: [1] }],
  }
  expect(enumsIn(schema)).toEqual([['created', 'lost'], ['created']])
})

/** Whatever in a schema says that a value may be `created`, and what else it may be. */
function enumsIn(schema: unknown): Words[] {
  if (typeof schema !== 'object' || schema === null) return []
  const own = 'enum' in schema ? schema.enum : 'const' in schema ? [schema.const] : []
  const found = Array.isArray(own) && own.includes('created') ? [own.map(String)] : []
  return [...found, ...Object.values(schema).flatMap(enumsIn)]
}

/** The word that the log has for an outcome. */
function loggedAs(outcome: Settled['outcome']): string {
  const lines: unknown[] = []
  const write = (line: unknown) => void lines.push(line)
  const at = new Date(0)
  logOutcome({ debug: write, info: write, error: write }, 'async', {
    ...{ requestId: randomUUID(), fingerprint: '', principal: null, outcome, rejection: null, failure: null },
    ...{ workflowName: null, version: null, entry: null, identical: false },
    ...{ acceptedAt: at, completedAt: at, purged: false },
  })
  expect(lines).toEqual([expect.objectContaining({ outcome: expect.any(String) })])
  return (lines[0] as { outcome: string }).outcome
}

/** Of each door, the labels of what its outcomes are counted by. */
async function countedAs(): Promise<Words[]> {
  const samples = readSamples(await openMetrics().text())
  return DOORS.map((door) =>
    samples
      .filter(({ name, labels }) => name === 'registrar_requests_total' && labels.door === door)
      .map(({ labels }) => labels.outcome!),
  )
}

/** What verify-replay counts beside outcomes. */
const BESIDE_OUTCOMES = new Set(['id reused', 'dead letter', 'unknown', 'different'])

function emptyTally() {
  const none = () => {}
  return replayVerifier({
    readEvidence: async () => [],
    rowsKeptSince: null,
    onDifference: none,
    onUnknown: none,
  }).tally()
}
