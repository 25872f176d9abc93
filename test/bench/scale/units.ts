import { short } from '../report.ts'

/** A whole number with thin groups of thousands. */
export function grouped(value: number): string {
  return String(Math.round(value)).replaceAll(/\B(?=(\d{3})+$)/g, ' ')
}

/** At least three digits that count. */
export function amount(value: number): string {
  return value >= 100 ? grouped(value) : short(value)
}

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

export function bytes(value: number): string {
  const power = Math.max(0, Math.min(BYTE_UNITS.length - 1, Math.floor(Math.log10(value) / 3)))
  return power === 0 ? `${Math.round(value)} B` : `${short(value / 1_000 ** power)} ${BYTE_UNITS[power]}`
}

export function ms(value: number): string {
  return `${value < 0.1 ? value.toFixed(3) : short(value)} ms`
}

/** A size of a catalog. */
export function rowsShort(rows: number): string {
  return rows >= 1_000_000 ? `${rows / 1_000_000} M` : `${rows / 1_000} k`
}
