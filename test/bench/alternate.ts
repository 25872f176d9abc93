import { type Band, type Measured, ratio } from './figure.ts'
import type { Lab } from './lab.ts'

/** Two sides of one figure. */
export interface Sides {
  unit: string
  /** How often each has its turn. */
  rounds: number
  ours: () => Promise<number>
  limit: () => Promise<number>
}

/** A ratio of what two sides give, each in its turn: ours, limit, ours, limit. */
export async function alternate(
  lab: Lab,
  name: string,
  band: Band,
  { unit, rounds, ours, limit }: Sides,
): Promise<Measured> {
  const values = { ours: [] as number[], limit: [] as number[] }
  for (let round = 1; round <= lab.rounds(rounds); round += 1) {
    const pair = [await ours(), await limit()] as const
    values.ours.push(pair[0])
    values.limit.push(pair[1])
    lab.say(`round ${round}: ${pair.map(Math.round).join(' beside ')} ${unit}`)
  }
  return ratio(name, band, { unit, values: values.ours }, { unit, values: values.limit })
}
