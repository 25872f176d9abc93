import { connect } from 'node:net'

export interface OneCaller {
  url: string
  seconds: number
  /** The body of each request, made while nothing is under way. */
  body: () => string
  /** What each answer must be. */
  status: number
}

const PATIENCE_MS = 10_000

/**
 * One caller on one connection, sending again as soon as it has its answer: how long each took, in ms, from the first
 * byte sent to the last received. It does as little as a caller can. Throws when an answer is not as it should be.
 */
export function oneCaller({ url, seconds, body, status }: OneCaller): Promise<number[]> {
  const { host, hostname, port, pathname } = new URL(url)
  const latencies: number[] = []
  const end = performance.now() + seconds * 1_000

  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true, timeout: PATIENCE_MS })
    let received = Buffer.alloc(0)
    let sentAt = 0

    function send() {
      const text = body()
      const length = Buffer.byteLength(text)
      const request = Buffer.from(
        `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n${text}`,
      )
      received = Buffer.alloc(0)
      sentAt = performance.now()
      socket.write(request)
    }

    socket.once('connect', send)
    socket.on('data', (chunk) => {
      const now = performance.now()
      received = Buffer.concat([received, chunk])
      const answered = statusOf(received)
      if (answered === undefined) return
      if (answered !== status) return socket.destroy(new Error(`${url} answered ${answered}`))
      latencies.push(now - sentAt)
      if (now < end) return send()
      resolve(latencies)
      socket.destroy()
    })
    socket.once('timeout', () => socket.destroy(new Error(`${url} does not answer`)))
    socket.once('error', reject)
    socket.once('close', () => reject(new Error(`${url} ended the connection`)))
  })
}

/** The status of an answer; undefined as long as a part of it is missing. One that tells no length never ends. */
function statusOf(received: Buffer): number | undefined {
  const headEnd = received.indexOf('\r\n\r\n')
  if (headEnd === -1) return undefined
  const head = received.toString('latin1', 0, headEnd)
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? Number.POSITIVE_INFINITY)
  return received.length < headEnd + 4 + length ? undefined : Number(head.slice(9, 12))
}
