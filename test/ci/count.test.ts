import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'

const SCRIPT = path.join(import.meta.dirname, '../../.ci/count.mjs')

let reports: string
beforeEach(() => {
  reports = mkdtempSync(path.join(tmpdir(), 'workflow-registrar-test-'))
  onTestFinished(() => rmSync(reports, { recursive: true }))
})

/** Writes the report of a lane, as vitest would. */
function report(lane: string, { passed = 0, failed = 0, skipped = 0, broken = 0 }): void {
  const tests = [
    ...Array(passed).fill('passed'),
    ...Array(failed).fill('failed'),
    ...Array(skipped).fill('skipped'),
  ]
  const file = { name: 'a.test.ts', status: failed > 0 ? 'failed' : 'passed' }
  const isolated = Array(broken).fill({ name: 'b.test.ts', status: 'failed', assertionResults: [] })
  const text = JSON.stringify({
    numPassedTests: passed,
    numFailedTests: failed,
    numPendingTests: skipped,
    numTodoTests: 0,
    success: failed + broken === 0,
    testResults: [{ ...file, assertionResults: tests.map((status) => ({ status })) }, ...isolated],
  })
  writeFileSync(path.join(reports, `${lane}.json`), text)
}

function count(
  lanes: string[],
  { fuzzed = 0, env = {} }: { fuzzed?: number; env?: Record<string, string> } = {},
) {
  const args = [SCRIPT, reports, String(fuzzed), ...lanes]
  const { status, stdout } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
  return { status, lines: stdout.trimEnd().split('\n') }
}

test('what passed in all lanes is added up, and the fuzzing counts as one', () => {
  report('test', { passed: 3 })
  report('test:long', { passed: 4 })
  expect(count(['test=0', 'test:long=0'])).toEqual({ status: 0, lines: ['8 passed, 0 failed'] })
})

test('what was skipped is told behind that', () => {
  report('test', { passed: 3, skipped: 2 })
  expect(count(['test=0'])).toEqual({ status: 0, lines: ['4 passed, 0 failed, 2 skipped'] })
})

describe('it fails', () => {
  test.each([
    ['a test has failed', { passed: 3, failed: 2 }, 1, '4 passed, 2 failed'],
    ['a file has failed outside its tests', { passed: 3, broken: 1 }, 1, '4 passed, 1 failed'],
    ['a lane has ended badly though no test failed', { passed: 3 }, 1, '4 passed, 1 failed'],
    ['all tests of a lane were skipped', { skipped: 3 }, 0, '1 passed, 1 failed, 3 skipped'],
    ['a lane has found no tests', {}, 0, '1 passed, 1 failed'],
  ])('where %s', (_, shown, status, sentence) => {
    report('test', shown)
    const counted = count([`test=${status}`])
    expect(counted.status).toBe(1)
    expect(counted.lines.at(-1)).toBe(sentence)
  })

  test('where a lane has no report', () => {
    expect(count(['test=0'])).toEqual({
      status: 1,
      lines: ['test: nothing was tested', '1 passed, 1 failed'],
    })
  })

  test('where the fuzzing has failed', () => {
    report('test', { passed: 3 })
    expect(count(['test=0'], { fuzzed: 1 })).toEqual({ status: 1, lines: ['3 passed, 1 failed'] })
  })
})

describe('without containers', () => {
  const allowed = { env: { ALLOW_NO_CONTAINERS: '1' } }

  test('it fails', () => {
    expect(count(['test:containers=1'])).toMatchObject({ status: 1 })
  })

  test('it does not where that is allowed, and says that something was skipped', () => {
    expect(count(['test:containers=0'], allowed)).toEqual({
      status: 0,
      lines: ['test:containers: nothing was tested, which is allowed', '1 passed, 0 failed, 1 skipped'],
    })
  })

  test('it does where the lane ended badly, or it is another lane', () => {
    expect(count(['test:containers=1'], allowed)).toMatchObject({ status: 1 })
    expect(count(['test:deploy=0'], allowed)).toMatchObject({ status: 1 })
  })
})
