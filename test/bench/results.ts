import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type jsonOf, type machine, short } from './report.ts'
import { writeSection } from './section.ts'

const ROOT = path.join(import.meta.dirname, '../..')
const FOLDER = path.join(import.meta.dirname, 'results')
const FILE = path.join(FOLDER, 'figures.json')

/** A line of the report, and when and with what it was taken. */
export type Result = ReturnType<typeof jsonOf> & { figure: string; about: string; date: string } & ReturnType<
    typeof machine
  >

/** Keeps results in place of older ones of the same figures, and writes the table of the README. */
export function saveResults(results: readonly Result[], order: readonly string[]): void {
  const measured = new Set(results.map(({ figure }) => figure))
  const older: Result[] = existsSync(FILE) ? JSON.parse(readFileSync(FILE, 'utf8')) : []
  const all = [...older.filter(({ figure }) => !measured.has(figure) && order.includes(figure)), ...results]
  const inOrder = all.toSorted((a, b) => order.indexOf(a.figure) - order.indexOf(b.figure))
  mkdirSync(FOLDER, { recursive: true })
  writeFileSync(FILE, `${JSON.stringify(inOrder, null, 2)}\n`)
  writeSection(path.join(ROOT, 'README.md'), 'figures', tableOf(inOrder))
}

function tableOf(results: readonly Result[]): string {
  const rows = results.map((result) => {
    const { name, about, value, unit, min, max, bound, must, aim, verdict, ours, limit } = result
    const than = bound === 'at least' ? '≥' : '≤'
    const isRatio = unit === 'ratio'
    return [
      `\`${name}\``,
      about,
      ours ? `${short(ours.median)} ${ours.unit}` : `${short(value)} ${unit}`,
      limit ? `${short(limit.median)} ${limit.unit}` : '',
      isRatio ? `**${short(value)}** (${short(min)}–${short(max)})` : `(${short(min)}–${short(max)})`,
      `${than} ${must}`,
      `${than} ${aim}`,
      verdict === 'OUT OF BAND' ? '**no**' : verdict === 'within' ? 'must' : 'aim',
    ]
  })
  const head = ['figure', 'ours ÷ limit', 'ours', 'limit', 'ratio (min–max)', 'must', 'aim', 'reached']
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const taken = Map.groupBy(results, takenWith)
  const which = (some: readonly Result[]) =>
    taken.size > 1 ? `${[...new Set(some.map(({ figure }) => `\`${figure}\``))].join(', ')}: taken` : 'Taken'
  const note = [...taken].map(([words, some]) => `${which(some)} ${words}.`).join('\n\n')
  return [note, '', line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function takenWith({ date, commit, machine: with_, node, postgresql, kafka }: Result): string {
  return `on ${date} at commit \`${commit}\` with \`npm run bench -- --save\`: ${with_}; Node ${node}; PostgreSQL ${postgresql}; Kafka ${kafka}`
}
