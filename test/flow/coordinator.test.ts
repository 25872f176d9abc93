import net from 'node:net'
import { expect, inject, onTestFinished, test } from 'vitest'
import { get, post } from '../support/http.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { withService } from '../support/world.ts'

const FIND_COORDINATOR = 10

/** Breaks the connection of each of the next `times` requests to Kafka for who coordinates a group. */
function breakCoordinatorSearches(times: number) {
  const ports = inject('servers').kafkaBrokers.map((broker) => Number(broker.split(':').at(-1)))
  const { write } = net.Socket.prototype
  let broken = 0
  net.Socket.prototype.write = function (this: net.Socket, ...args: Parameters<typeof write>) {
    const [bytes] = args as unknown as [Uint8Array]
    const asks =
      broken < times &&
      ports.includes(this.remotePort ?? -1) &&
      Buffer.isBuffer(bytes) &&
      bytes.length > 6 &&
      bytes.readInt16BE(4) === FIND_COORDINATOR
    if (!asks) return Reflect.apply(write, this, args)
    broken += 1
    this.destroy(new Error('broken by the test'))
    return false
  } as typeof write
  onTestFinished(() => {
    net.Socket.prototype.write = write
  })
  return { broken: () => broken }
}

test('a worker whose every search for its coordinator is broken off joins its group once one is not', async () => {
  const faults = breakCoordinatorSearches(6)
  const service = await withService()
  const accepted = await post(`${service.url}/api/v1/workflow-requests`, aWorkflow())
  const outcome = await until('an outcome', async () => {
    expect(service.crashes).toEqual([])
    const { body } = await get(`${service.url}${accepted.headers.get('location')}`)
    return body.state !== 'pending' && body
  })
  expect(outcome.state).toBe('created')
  expect(faults.broken()).toBe(6)
})
