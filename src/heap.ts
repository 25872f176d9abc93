import { setFlagsFromString } from 'node:v8'

/**
 * Keeps the heap of a worker near what it needs. Nothing of a record lives long, but V8 would rather let a long queue fill
 * 300 MB than collect. Both flags are read whenever V8 decides how far the heap may grow.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1') // new objects stay in the megabyte that they start with
  setFlagsFromString('--heap-growing-percent=150') // the others are collected when there are two and a half times as many
}
