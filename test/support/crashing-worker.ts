import { writeSync } from 'node:fs'
import { start } from '../../src/app.ts'
import { parseConfig } from '../../src/config.ts'
import { createLogger } from '../../src/logger.ts'

/*
 * A worker that kills itself after a step, so suddenly that nothing can be tidied up: CRASH_AT=<step>:<n> names the
 * step, and the how-manieth of its kind it is. Standard output ends with that step.
 */
const config = parseConfig(process.env)
const [crashStep, count] = (process.env.CRASH_AT ?? '').split(':')
let left = Number(count)

await start({
  config,
  infrastructure: config.infrastructure!,
  roles: ['worker'],
  log: createLogger(config.logLevel),
  say: (line) => void process.stdout.write(`${line}\n`),
  onCrash(error) {
    throw error
  },
  onStep(step) {
    if (step !== crashStep) return
    left -= 1
    if (left > 0) return
    writeSync(1, `crashing: ${step}\n`)
    process.kill(process.pid, 'SIGKILL')
  },
})
