/* Measures the service beside its limits, on this machine and in one run. `--help` says how. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { withBuild } from './built.ts'
import type { Figure } from './figure.ts'
import { accept } from './figures/accept.ts'
import { acceptSingle } from './figures/accept-single.ts'
import { backlog } from './figures/backlog.ts'
import { drain } from './figures/drain.ts'
import { drainPlain } from './figures/drain-plain.ts'
import { duplicates } from './figures/duplicates.ts'
import { idle } from './figures/idle.ts'
import { outcome } from './figures/outcome.ts'
import { pollers } from './figures/pollers.ts'
import { recover } from './figures/recover.ts'
import { rivals } from './figures/rivals.ts'
import { start } from './figures/start.ts'
import { sync1 } from './figures/sync-1.ts'
import { sync64 } from './figures/sync-64.ts'
import { openLab } from './lab.ts'
import { selfTimes } from './profile.ts'
import { jsonOf, lineOf, machine } from './report.ts'
import { type Result, saveResults } from './results.ts'

const FIGURES: readonly Figure[] = [
  drain,
  drainPlain,
  accept,
  acceptSingle,
  sync1,
  sync64,
  outcome,
  duplicates,
  rivals,
  pollers,
  recover,
  idle,
  backlog,
  start,
]

const HELP = `Usage: npm run bench [-- [--json] [--save | --quick | --profile] [name …]]

Measures the production build beside its limits, each in turn on a PostgreSQL and a Kafka of its own, and prints a line
for each figure: its name, value and unit, how far the rounds were apart, both sides, and what it must be. Ends with 1
when one is out of its band.

  --json    one JSON document on standard output; the lines go to standard error
  --save    keeps the values in test/bench/results/, and writes the table of the README
  --profile where the time of our processes goes, by function, in test/bench/results/profile-<name>.txt: one round, and
            the values mean nothing
  --quick   a little of everything, to see that it runs: the values mean nothing, and none is out of band

${FIGURES.map(({ name, about }) => `  ${name.padEnd(15)} ${about}`).join('\n')}
`

const { values: options, positionals: names } = readArguments()
const say = (line: string) => void process.stderr.write(`${line}\n`)
const print = options.json ? say : (line: string) => void process.stdout.write(`${line}\n`)

/** Whether the values mean anything. */
const isJudged = !options.quick && !options.profile
const results: Result[] = []
await withBuild(async (build) => {
  const taken = machine()
  const date = new Date().toISOString().slice(0, 10)
  for (const [what, value] of Object.entries(taken)) print(`# ${what}: ${value}`)
  for (const figure of FIGURES.filter(({ name }) => names.length === 0 || names.includes(name))) {
    const began = performance.now()
    const profiles = options.profile ? mkdtempSync(join(tmpdir(), 'profiles-')) : undefined
    const lab = await openLab({
      build,
      quick: options.quick,
      profiles,
      say: (line) => say(`${figure.name}: ${line}`),
    })
    try {
      for (const one of await figure.measure(lab)) {
        results.push({ figure: figure.name, about: figure.about, date, ...taken, ...jsonOf(one) })
        print(lineOf(one, isJudged))
      }
    } finally {
      await lab.close()
    }
    if (profiles !== undefined) saveProfiles(figure.name, taken.commit, profiles)
    say(`${figure.name}: took ${Math.round((performance.now() - began) / 1_000)} s`)
    if (options.save)
      saveResults(
        results,
        FIGURES.map(({ name }) => name),
      )
  }
  if (options.json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`)
})
process.exitCode = isJudged && results.some(({ verdict }) => verdict === 'OUT OF BAND') ? 1 : 0

function readArguments() {
  try {
    const read = parseArgs({
      allowPositionals: true,
      options: {
        json: { type: 'boolean', default: false },
        save: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        profile: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    const unknown = read.positionals.filter((name) => !FIGURES.some((figure) => figure.name === name))
    if (unknown.length > 0) throw new Error(`There is no figure ${unknown.join(', ')}`)
    const { save, quick, profile } = read.values
    if ([save, quick, profile].filter(Boolean).length > 1)
      throw new Error('one of --save, --quick and --profile')
    if (read.values.help) {
      process.stdout.write(HELP)
      process.exit(0)
    }
    return read
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${HELP}`)
    process.exit(2)
  }
}

function saveProfiles(figure: string, commit: string, folder: string): void {
  const parts = readdirSync(folder).map(
    (name) => `# ${name}\n${selfTimes(readFileSync(join(folder, name), 'utf8'))}\n`,
  )
  rmSync(folder, { recursive: true })
  const file = new URL(`results/profile-${figure}.txt`, import.meta.url)
  writeFileSync(
    file,
    `${figure} at commit ${commit}, as \`node --cpu-prof\` saw our processes\n\n${parts.join('\n')}`,
  )
}
