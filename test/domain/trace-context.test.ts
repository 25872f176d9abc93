import { expect, test } from 'vitest'
import { isSampled, readTraceContext, spanIn, traceparentOf } from '../../src/domain/trace-context.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'

test('a trace is carried as it is', () => {
  const traceparent = `00-${TRACE}-${SPAN}-01`
  expect(readTraceContext(traceparent, undefined)).toEqual({ traceparent })
  expect(readTraceContext(traceparent, 'vendor=1,other=2')).toEqual({
    traceparent,
    tracestate: 'vendor=1,other=2',
  })
})

test('a later version may say more, and this one may not', () => {
  const later = `01-${TRACE}-${SPAN}-01-more`
  expect(readTraceContext(later, undefined)).toEqual({ traceparent: later })
  expect(readTraceContext(`00-${TRACE}-${SPAN}-01-more`, undefined)).toBeUndefined()
})

test.each([
  undefined,
  '',
  `ff-${TRACE}-${SPAN}-01`,
  `00-${'0'.repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
  `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  `00-${TRACE}-${SPAN}-01\n`,
  `00-${TRACE}-${SPAN}`,
  `01-${TRACE}-${SPAN}-01-${'x'.repeat(1_000)}`,
])('%j is no trace', (traceparent) => {
  expect(readTraceContext(traceparent, 'a=b')).toBeUndefined()
})

test.each(['', 'a'.repeat(513), 'a=\u0001', 'a=é'])('the state %j is left out', (tracestate) => {
  const traceparent = `00-${TRACE}-${SPAN}-01`
  expect(readTraceContext(traceparent, tracestate)).toEqual({ traceparent })
})

test.each([
  ['00', false],
  ['01', true],
  ['02', false],
  ['03', true],
  ['ff', true],
])('with the flags %s its caller keeps it: %s', (flags, isKept) => {
  expect(isSampled({ traceparent: `00-${TRACE}-${SPAN}-${flags}` })).toBe(isKept)
  expect(isSampled({ traceparent: `cc-${TRACE}-${SPAN}-${flags}-more` })).toBe(isKept)
})

test('a step is named by its trace and itself', () => {
  const traceparent = `00-${TRACE}-${SPAN}-01`
  expect(spanIn({ traceparent })).toEqual({ traceId: TRACE, spanId: SPAN })
  expect(traceparentOf({ traceId: TRACE, spanId: SPAN })).toBe(traceparent)
})
