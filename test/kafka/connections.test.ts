import { createRequire } from 'node:module'
import net from 'node:net'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { mendConnections } from '../../src/kafka/connections.ts'

const require = createRequire(import.meta.url)
const Connection = require('kafkajs/src/network/connection.js')
const Encoder = require('kafkajs/src/protocol/encoder.js')

const log = () => {}
const SILENT = { namespace: () => SILENT, debug: log, info: log, warn: log, error: log }

/** A broker that answers each request with its own correlation id, except that it breaks off its first answer. */
async function startBreakingBroker() {
  let sockets = 0
  let broken = 0
  const server = net.createServer((socket) => {
    sockets += 1
    socket.on('error', () => {})
    socket.on('data', (request) => {
      const answer = Buffer.alloc(16)
      answer.writeInt32BE(12, 0)
      request.copy(answer, 4, 8, 12) // the correlation id
      if (broken === 0) {
        broken += 1
        socket.end(answer.subarray(0, 10))
      } else socket.write(answer)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { port: (server.address() as net.AddressInfo).port, sockets: () => sockets, broken: () => broken }
}

function connectionTo(port: number) {
  const connection = new Connection({
    host: '127.0.0.1',
    port,
    clientId: 'test',
    connectionTimeout: 1_000,
    requestTimeout: 500,
    enforceRequestTimeout: true,
    logger: SILENT,
    socketFactory: ({ host, port, onConnect }: { host: string; port: number; onConnect: () => void }) =>
      net.connect({ host, port }, onConnect),
  })
  onTestFinished(() => connection.disconnect())
  const ask = async () => {
    await connection.connect()
    return connection.send({
      request: { apiKey: 18, apiVersion: 0, apiName: 'Test', encode: async () => new Encoder() },
      response: { decode: async () => ({}), parse: async () => 'answered' },
    })
  }
  return { connection, ask }
}

type Broker = Awaited<ReturnType<typeof startBreakingBroker>>
let broker: Broker
beforeEach(async () => {
  broker = await startBreakingBroker()
})

describe('kafkajs alone', () => {
  test('reads no answer any more after one that was broken off', async () => {
    const { ask } = connectionTo(broker.port)
    await expect(ask()).rejects.toThrow('Closed connection')
    expect(broker.broken()).toBe(1)
    await expect(ask()).rejects.toThrow('timed out')
    await expect(ask()).rejects.toThrow('timed out')
  })

  test('opens a socket for each of two callers', async () => {
    const { connection } = connectionTo(broker.port)
    await Promise.all([connection.connect(), connection.connect()])
    await expect.poll(broker.sockets).toBe(2)
  })
})

describe('a mended connection', () => {
  beforeEach(() => mendConnections())

  test('reads the next answer after one that was broken off', async () => {
    const { ask } = connectionTo(broker.port)
    await expect(ask()).rejects.toThrow('Closed connection')
    expect(broker.broken()).toBe(1)
    expect(await ask()).toBe('answered')
    expect(await ask()).toBe('answered')
  })

  test('opens one socket for two callers', async () => {
    const { connection, ask } = connectionTo(broker.port)
    await Promise.all([connection.connect(), connection.connect()])
    await ask().catch(() => {})
    expect(broker.sockets()).toBe(1)
  })

  test('says to each caller that nobody listens, and connects once somebody does', async () => {
    const { port } = broker
    const { connection } = connectionTo(port)
    const elsewhere = connectionTo(1)
    const refused = await Promise.allSettled([elsewhere.connection.connect(), elsewhere.connection.connect()])
    expect(refused.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(await connection.connect()).toBe(true)
  })
})
