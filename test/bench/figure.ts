import type { Lab } from './lab.ts'

/** What a value must be, and what it should be. */
export interface Band {
  bound: 'at least' | 'at most'
  must: number
  aim: number
}

/** What was measured of one side, a value for each round. */
export interface Side {
  unit: string
  values: readonly number[]
}

/** One line of the report. */
export interface Measured {
  /** That of the figure, with a suffix where it has several. */
  name: string
  unit: string
  /** A value for each round; of a ratio, ours ÷ limit of that round. */
  values: readonly number[]
  band: Band
  ours?: Side
  limit?: Side
}

export interface Figure {
  name: string
  /** What is held against what. */
  about: string
  measure(lab: Lab): Promise<Measured[]>
}

export const atLeast = (must: number, aim: number): Band => ({ bound: 'at least', must, aim })
export const atMost = (must: number, aim: number): Band => ({ bound: 'at most', must, aim })

/** Ours ÷ limit, round by round: what the machine does to one round, it does to both sides. */
export function ratio(name: string, band: Band, ours: Side, limit: Side): Measured {
  const values = ours.values.map((value, round) => value / limit.values[round]!)
  return { name, unit: 'ratio', values, band, ours, limit }
}

/** A value that is held against a number. */
export function absolute(name: string, band: Band, { unit, values }: Side): Measured {
  return { name, unit, values, band }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The value below which this share of all lies. */
export function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))]!
}

export type Verdict = 'aim reached' | 'within' | 'OUT OF BAND'

export function verdictOf({ values, band: { bound, must, aim } }: Measured): Verdict {
  const holds = (value: number, than: number) => (bound === 'at least' ? value >= than : value <= than)
  const value = median(values)
  if (holds(value, aim)) return 'aim reached'
  return holds(value, must) ? 'within' : 'OUT OF BAND'
}
