// Counts what the lanes have shown: node .ci/count.mjs REPORTS FUZZED LANE=STATUS...
// REPORTS is the folder with a report of vitest for each lane, FUZZED and STATUS are exit codes.
import { existsSync, readFileSync } from 'node:fs'

const [reports, fuzzed, ...lanes] = process.argv.slice(2)
const total = { passed: fuzzed === '0' ? 1 : 0, failed: fuzzed === '0' ? 0 : 1, skipped: 0 }
for (const lane of lanes) {
  const [name, status] = lane.split('=')
  const counted = countLane(name, Number(status))
  for (const kind of Object.keys(total)) total[kind] += counted[kind]
}
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : ''
process.stdout.write(`${total.passed} passed, ${total.failed} failed${skipped}\n`)
process.exitCode = total.failed > 0 ? 1 : 0

/** A lane that has ended badly has a failure, whatever its report says; one that has shown nothing has one too. */
function countLane(name, status) {
  const { passed, failed, skipped } = readReport(`${reports}/${name}.json`)
  if (passed + failed > 0)
    return { passed, failed: failed || (status === 0 ? 0 : fail(name, 'it ended badly')), skipped }
  if (status === 0 && name === 'test:containers' && process.env.ALLOW_NO_CONTAINERS === '1') {
    process.stdout.write(`${name}: nothing was tested, which is allowed\n`)
    return { passed: 0, failed: 0, skipped: skipped || 1 }
  }
  return { passed: 0, failed: fail(name, 'nothing was tested'), skipped }
}

function fail(name, reason) {
  process.stdout.write(`${name}: ${reason}\n`)
  return 1
}

function readReport(file) {
  if (!existsSync(file)) return { passed: 0, failed: 0, skipped: 0 }
  const report = JSON.parse(readFileSync(file, 'utf8'))
  const broken = report.testResults.filter(
    (one) => one.status === 'failed' && one.assertionResults.every((test) => test.status !== 'failed'),
  )
  for (const { name } of broken) process.stdout.write(`failed outside its tests: ${name}\n`)
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + report.numTodoTests,
  }
}
