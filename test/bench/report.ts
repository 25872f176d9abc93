import { execFileSync } from 'node:child_process'
import { cpus, release, totalmem } from 'node:os'
import { type Measured, median, type Side, verdictOf } from './figure.ts'

/** A number with three digits that count, and no more. */
export function short(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toFixed(digits)
}

const spread = (values: readonly number[]) => `${short(Math.min(...values))} to ${short(Math.max(...values))}`
const sideOf = (word: string, side: Side | undefined) =>
  side ? `  ${word} ${short(median(side.values))} ${side.unit} (${spread(side.values)})` : ''

/** `name value unit`, and then what it was made of; and how it stands, if that means anything. */
export function lineOf(measured: Measured, isJudged: boolean): string {
  const { name, unit, values, band, ours, limit } = measured
  const bound = `must be ${band.bound} ${band.must}, aim ${band.aim}${isJudged ? `: ${verdictOf(measured)}` : ''}`
  return `${name} ${short(median(values))} ${unit}  (${spread(values)})${sideOf('ours', ours)}${sideOf('limit', limit)}  ${bound}`
}

/** What the figures were taken with. */
export function machine() {
  const [cpu] = cpus()
  const git = (...args: string[]) => {
    try {
      return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    } catch {
      return 'unknown'
    }
  }
  const changed = git('status', '--porcelain', '--', 'src', 'package-lock.json') === '' ? '' : ' and changes'
  return {
    commit: git('rev-parse', '--short', 'HEAD') + changed,
    machine: `${cpus().length} × ${cpu?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`,
    node: process.version,
    postgresql: '18, embedded, its default settings, fsync on',
    kafka: '4.1.1, embedded, one broker, acks=all',
  }
}

/** As it goes into a JSON document. */
export function jsonOf(measured: Measured) {
  const side = (of: Side | undefined) =>
    of && { median: median(of.values), min: Math.min(...of.values), max: Math.max(...of.values), ...of }
  return {
    name: measured.name,
    value: median(measured.values),
    unit: measured.unit,
    min: Math.min(...measured.values),
    max: Math.max(...measured.values),
    values: measured.values,
    ...measured.band,
    verdict: verdictOf(measured),
    ours: side(measured.ours),
    limit: side(measured.limit),
  }
}
