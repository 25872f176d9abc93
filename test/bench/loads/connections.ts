import { once } from 'node:events'
import { connect } from 'node:net'

export interface Answer {
  status: number
  body: string
}

export interface Request {
  method: 'GET' | 'POST'
  /** Path and query. */
  target: string
  headers?: Record<string, string>
  body?: string
}

/** HTTP at little cost to the one who asks. */
export interface Connections {
  /** Goes over a connection that nobody uses, or a new one: it never waits for another request. */
  send(request: Request): Promise<Answer>
  /** Ends every connection: whoever still waits is told so. */
  close(): void
}

interface Connection {
  send(bytes: string): Promise<Answer>
  close(): void
}

/** Connections to one server, kept alive. */
export function openConnections(serverUrl: string): Connections {
  const { hostname, port, host } = new URL(serverUrl)
  const all = new Set<Connection>()
  const idle: Connection[] = []

  async function open(): Promise<Connection> {
    const connection = await openConnection(hostname, Number(port))
    all.add(connection)
    return connection
  }

  return {
    async send({ method, target, headers = {}, body }) {
      const all = Object.entries({
        host,
        ...(body !== undefined && {
          'content-type': 'application/json',
          'content-length': String(Buffer.byteLength(body)),
        }),
        ...headers,
      }).map(([name, value]) => `${name}: ${value}\r\n`)
      const connection = idle.pop() ?? (await open())
      const answer = await connection.send(`${method} ${target} HTTP/1.1\r\n${all.join('')}\r\n${body ?? ''}`)
      idle.push(connection)
      return answer
    },
    close() {
      for (const connection of all) connection.close()
    },
  }
}

async function openConnection(host: string, port: number): Promise<Connection> {
  const socket = connect({ host, port, noDelay: true })
  await once(socket, 'connect')
  let waiting: PromiseWithResolvers<Answer> | undefined
  let received = Buffer.alloc(0)
  socket.on('data', (bytes) => {
    received = received.length === 0 ? bytes : Buffer.concat([received, bytes])
    const answer = readAnswer(received)
    if (!answer) return
    received = Buffer.alloc(0)
    waiting?.resolve(answer)
    waiting = undefined
  })
  socket.on('error', () => {}) // a close follows
  socket.on('close', () => waiting?.reject(new Error('The connection ended without an answer')))
  return {
    send(bytes) {
      waiting = Promise.withResolvers<Answer>()
      if (socket.destroyed) waiting.reject(new Error('The connection has ended'))
      else socket.write(bytes)
      return waiting.promise
    },
    close: () => socket.destroy(),
  }
}

const HEAD_END = '\r\n\r\n'

/** The answer, when all of it is there. */
function readAnswer(bytes: Buffer): Answer | undefined {
  const headEnd = bytes.indexOf(HEAD_END)
  if (headEnd < 0) return undefined
  const head = bytes.toString('latin1', 0, headEnd)
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
  if (length === undefined) throw new Error(`An answer does not tell its length:\n${head}`)
  const begin = headEnd + HEAD_END.length
  if (bytes.length < begin + Number(length)) return undefined
  return { status: Number(head.slice(9, 12)), body: bytes.toString('utf8', begin) }
}
