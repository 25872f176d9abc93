import { describe, expect, test } from 'vitest'
import { ACTIONS, classify, type FailureClass, RULES, UNIQUE_KEYS } from '../../src/domain/classify.ts'
import { PROBLEM_TYPES } from '../../src/domain/problem.ts'

describe('every rule decides on what it names', () => {
  test.each(RULES.map((rule) => [rule.code, rule.constraint ?? '', rule] as const))(
    '%s %s',
    (_, __, rule) => {
      const codes =
        rule.code.length === 2 ? ['000', 'P01', 'ZZZ'].map((rest) => rule.code + rest) : [rule.code]
      const classes = codes
        .filter((code) => code === rule.code || !RULES.some((other) => other.code === code))
        .map((code) => classify({ code, constraint: rule.constraint }))
      expect(new Set(classes)).toEqual(new Set([rule.class]))
    },
  )
})

describe('the classes are those of the contract', () => {
  const CLASSES: Record<FailureClass, string[]> = {
    contention: ['40001', '40P01'],
    'held-lock': ['55P03', '57014'],
    outage: ['53000', '53100', '53200', '53300', '53400', '58000', '58030', '25006', '55006', 'POOL_TIMEOUT'],
    interrupted: [
      ...['08000', '08003', '08006', '08P01', '57P01', '57P02', '57P03', '57P05', '40003'],
      ...['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'EHOSTUNREACH', 'ETIMEDOUT', 'EAI_AGAIN', 'CONNECTION_LOST'],
    ],
    conflict: [`23505 ${UNIQUE_KEYS.nameAndVersion}`],
    replay: [`23505 ${UNIQUE_KEYS.requestId}`, `23505 ${UNIQUE_KEYS.createdBy}`],
    'key-reused': [`23505 ${UNIQUE_KEYS.idempotencyKey}`],
    'this-message': [
      ...['22001', '22003', '22021', '22P02', '22P05', '23502', '23503', '23514', '23P01', '54000', '54001'],
      ...['23505', '23505 workflow_pkey', '23505 uq_of_somebody_else'],
    ],
    systemic: [
      ...['42501', '42P01', '42703', '42601', '28P01', '28000', '3D000', '3F000', '0A000', '25P02', '25001'],
      ...['57P04', '23000', '23001', '2F000', 'XX000', 'XX001', '00000', 'P0001'],
      ...['ENOTFOUND', 'EACCES', 'SELF_SIGNED_CERT_IN_CHAIN'],
    ],
  }
  const cases = Object.entries(CLASSES).flatMap(([of, failures]) => failures.map((failure) => [failure, of]))
  test.each(cases)('%s is %s', (failure, expected) => {
    const [code = '', constraint] = failure!.split(' ')
    expect(classify({ code, constraint })).toBe(expected)
  })
})

test('a name that only looks like an SQLSTATE is of no class of SQLSTATEs', () => {
  for (const code of ['EPERM', 'EBUSY', 'EBADF', '220', '080001', '22abc', '0800x', '54_00', ''])
    expect(classify({ code }), code).toBe('systemic')
})

test('a constraint counts only with the code of a unique violation', () => {
  const constraint = UNIQUE_KEYS.nameAndVersion
  expect(classify({ code: '23514', constraint })).toBe('this-message')
  expect(classify({ code: '40001', constraint })).toBe('contention')
  expect(classify({ code: '42501', constraint })).toBe('systemic')
})

test('no rule stands behind one that takes everything from it', () => {
  const hidden = RULES.filter((rule, index) =>
    RULES.slice(0, index).some(
      (earlier) =>
        (earlier.code === rule.code || (earlier.code.length === 2 && rule.code.startsWith(earlier.code))) &&
        (earlier.constraint === undefined || earlier.constraint === rule.constraint),
    ),
  )
  expect(hidden).toEqual([])
})

test('every class that a rule gives has its action, and a caller of the synchronous door a problem that is known', () => {
  const statuses = Object.values(PROBLEM_TYPES).map(({ status }) => status as number)
  for (const { class: failureClass } of [...RULES, { class: 'systemic' as const }]) {
    const { worker, door } = ACTIONS[failureClass]
    expect(worker).not.toBe('')
    if (door !== 'as stored') expect(statuses).toContain(door)
  }
})
