import { OUTCOMES } from '../domain/outcome.ts'
import { PASS_TIMEOUT_MS, type Progress } from './run-demo.ts'
import type { Counts, DoorTally, PassTally } from './tally.ts'

/** What a pass does, in words that stand beside its progress. */
const PASSES = [
  'Pass 1: each registration once, dealt over the three doors',
  'Pass 2: all of them again, through every door',
]

export function describePass(pass: number): string {
  return PASSES[pass - 1]!
}

/** A line that is drawn again and again in the same place. */
export function progressLine({ pass, done, total }: Progress, width = 30): string {
  const filled = Math.floor((done / total) * width)
  const words = describePass(pass).padEnd(PASSES[0]!.length)
  return `${words}  ${'█'.repeat(filled)}${'░'.repeat(width - filled)} ${done}/${total}`
}

/** All outcomes and times, a line for each pass and door. */
export function outcomeTable(passes: readonly PassTally[]): string {
  const head = ['pass', 'door', ...OUTCOMES, 'p50 ms', 'p99 ms']
  const row = (pass: number, { door, counts, timesMs }: DoorTally) => [
    String(pass),
    door,
    ...OUTCOMES.map((outcome) => String(counts[outcome])),
    percentile(timesMs, 0.5),
    percentile(timesMs, 0.99),
  ]
  const blocks = passes.map(({ doors, all }, index) => [...doors, all].map((tally) => row(index + 1, tally)))
  const rows = [head, ...blocks.flat()]
  const widths = head.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)))
  const line = (cells: string[]) =>
    cells
      .map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
  const rule = widths.map((width) => '─'.repeat(width)).join('──')
  return [line(head), ...blocks.flatMap((block) => [rule, ...block.map(line)])].join('\n')
}

/** The least time that this share of all is not above. */
function percentile(ascending: readonly number[], share: number): string {
  const ms = ascending[Math.ceil(ascending.length * share) - 1]
  return ms === undefined ? '-' : ms.toFixed(0)
}

/** Whether every request ended, and as it should. */
export function isAsExpected({ all, expected }: PassTally): boolean {
  return OUTCOMES.every((outcome) => all.counts[outcome] === expected[outcome])
}

/** What came of a pass beside what should have, in lines of which the first is the verdict. */
export function verdict(pass: number, tally: PassTally): string[] {
  const { all, expected, identical, withoutOutcome } = tally
  const { conflict } = all.counts
  const sentences = [
    isAsExpected(tally)
      ? `Pass ${pass}: ${inWords(all.counts)}${pass === 1 ? whyFirst(tally) : ', as expected: nothing was added or changed.'}`
      : `Pass ${pass}: ${inWords(all.counts)}, but ${inWords(expected)} were expected.`,
  ]
  if (conflict > 0)
    sentences.push(
      `Of the conflicts, ${identical} asked for exactly what the catalog has (\`identical\`: as good as success), ${conflict - identical} for something else (\`different\`).`,
    )
  if (withoutOutcome.length > 0) sentences.push(...unheard(withoutOutcome))
  return sentences
}

function whyFirst({ requests, workflows, alreadyThere }: PassTally): string {
  if (alreadyThere === 0)
    return `, as expected: the ${requests} registrations are for ${workflows} workflows.`
  if (alreadyThere === workflows)
    return ': these registrations were here already. For new names try `npm run demo -- --fresh`.'
  return `, as expected: ${alreadyThere} of the ${workflows} workflows were here already.`
}

function inWords(counts: Counts): string {
  const words = OUTCOMES.filter((outcome) => counts[outcome] > 0).map((outcome) =>
    outcome === 'conflict' && counts.conflict !== 1
      ? `${counts.conflict} conflicts`
      : `${counts[outcome]} ${outcome}`,
  )
  return new Intl.ListFormat('en-GB').format(words) || 'no outcome'
}

function unheard(withoutOutcome: readonly string[]): string[] {
  const shown = withoutOutcome.slice(0, 10).map((request) => `  ${request}`)
  const others = withoutOutcome.length - shown.length
  return [
    `No outcome, at most ${PASS_TIMEOUT_MS / 1000} s after it was sent:`,
    ...shown,
    ...(others > 0 ? [`  and ${others} more`] : []),
  ]
}
