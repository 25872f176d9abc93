import { once } from 'node:events'
import { connect } from 'node:net'

const METADATA = { key: 3, version: 1 }
const ANSWER_LIMIT_MS = 2_000

/**
 * How many brokers the cluster behind 127.0.0.1:`port` lists. Rejects when nobody answers.
 *
 * Spoken by hand, because kafkajs makes Node print TimeoutNegativeWarning when used as it comes.
 */
export async function brokersListed(port: number): Promise<number> {
  const signal = AbortSignal.timeout(ANSWER_LIMIT_MS)
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => {}) // the awaited events tell
  socket.on('end', () => socket.destroy(new Error('closed without an answer')))
  try {
    await once(socket, 'connect', { signal })
    socket.write(metadataRequest())
    let answer = Buffer.alloc(0)
    while (answer.length < BROKERS_AT + 4) {
      const [chunk] = (await once(socket, 'data', { signal })) as [Buffer]
      answer = Buffer.concat([answer, chunk])
    }
    return answer.readInt32BE(BROKERS_AT)
  } finally {
    socket.destroy()
  }
}

/** Behind the answer's size and its correlation id, four bytes each. */
const BROKERS_AT = 8

/** Asks about no topic at all. */
function metadataRequest(): Buffer {
  const request = Buffer.alloc(18)
  request.writeInt32BE(request.length - 4, 0)
  request.writeInt16BE(METADATA.key, 4)
  request.writeInt16BE(METADATA.version, 6)
  request.writeInt32BE(1, 8) // correlation id
  request.writeInt16BE(-1, 12) // no client id
  request.writeInt32BE(0, 14) // no topics
  return request
}
