import { expect, onTestFinished, test } from 'vitest'
import { openTracing } from '../src/tracing.ts'
import { startCollector } from './support/otlp-collector.ts'
import { until } from './support/until.ts'

const STEP = { name: 'step', kind: 'internal' } as const

/** Traces that go to a collector of a test's own, and the warnings on the way. */
async function tracesTo({ ratio }: { ratio?: number } = {}) {
  const collector = await startCollector()
  onTestFinished(() => collector.close())
  const warnings: unknown[] = []
  const log = { info() {}, warn: (fields: unknown) => void warnings.push(fields) }
  const tracing = await openTracing({ endpoint: collector.url, log, ...(ratio !== undefined && { ratio }) })
  return { collector, warnings, tracing: tracing! }
}

test('spans that there is no room for are counted, and told in one line', async () => {
  const { collector, warnings, tracing } = await tracesTo()
  for (let began = 0; began < 5_000; began += 1) tracing.begin(STEP, undefined)!.end()
  await until('what was delivered', () => collector.spans.length > 2_000)
  await tracing.close()
  const lost = 5_000 - collector.spans.length
  expect(lost).toBeGreaterThan(0)
  expect(warnings).toEqual([{ spans: lost }])
})

test('as long as there is room nothing is dropped, however much comes', async () => {
  const { collector, warnings, tracing } = await tracesTo()
  for (let round = 1; round <= 5; round += 1) {
    for (let began = 0; began < 500; began += 1) tracing.begin(STEP, undefined)!.end()
    await until('its delivery', () => collector.spans.length === 500 * round)
  }
  await tracing.close()
  expect(warnings).toEqual([])
})

test('of what begins a trace a part is traced, as large as it was asked for', async () => {
  const traced = async (ratio: number) => {
    const { tracing } = await tracesTo({ ratio })
    onTestFinished(() => tracing.close())
    return Array.from({ length: 1_000 }, () => tracing.begin(STEP, undefined)).filter(Boolean).length
  }
  expect(await traced(0)).toBe(0)
  expect(await traced(1)).toBe(1_000)
  const half = await traced(0.5) // some 16 more or less
  expect(half).toBeGreaterThan(350)
  expect(half).toBeLessThan(650)
})

test.each([
  ['01', true],
  ['00', false],
])("where a caller's trace has the flags %s, that decides and no ratio", async (flags, isTraced) => {
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-${flags}`
  for (const ratio of [0, 1]) {
    const { tracing } = await tracesTo({ ratio })
    onTestFinished(() => tracing.close())
    expect(tracing.begin(STEP, { traceparent }) !== undefined).toBe(isTraced)
  }
})
