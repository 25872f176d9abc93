import { setImmediate as nextTurn } from 'node:timers/promises'
import pino from 'pino'
import { expect, test } from 'vitest'
import { closeStack } from '../src/close-stack.ts'
import { type StartupParts, startup } from '../src/startup.ts'

const REFUSAL = new Error('refused')

function start(parts: Partial<StartupParts> = {}) {
  const crashes: Error[] = []
  const opened = closeStack()
  const starting = startup(
    {
      log: pino({ level: 'silent' }),
      say: () => {},
      onCrash: (error) => crashes.push(error),
      ...parts,
    },
    opened,
  )
  return { ...starting, crashes, close: opened.close }
}

test('what is refused while the start comes to its end is told, whichever of them is first', async () => {
  for (let turns = 0; turns < 20; turns += 1) {
    const { open, over, crashes, close } = start()
    const refusal = Promise.withResolvers<never>()
    open('Something', () => refusal.promise)
    await Promise.resolve() // it is being opened
    refusal.reject(REFUSAL)
    for (let turn = 0; turn < turns; turn += 1) await Promise.resolve()
    const failed = await Promise.try(over).then(
      () => false,
      () => true,
    )
    await nextTurn()
    expect(crashes).toEqual(failed ? [] : [REFUSAL])
    await close()
  }
})

test('what is refused before the end of the start fails it, and does not end the process as well', async () => {
  const { open, tried, over, crashes, close } = start()
  await expect(tried(open('Something', () => Promise.reject(REFUSAL)))).rejects.toBe(REFUSAL)
  expect(over).toThrow(REFUSAL)
  expect(crashes).toEqual([])
  await close()
})

test('who is told to stop before the end of the start does not come up', () => {
  const stopping = new AbortController()
  const { over } = start({ signal: stopping.signal })
  stopping.abort(REFUSAL)
  expect(over).toThrow(REFUSAL)
})
