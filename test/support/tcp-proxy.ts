import { once } from 'node:events'
import net from 'node:net'

/** What PostgreSQL said was wrong. */
export interface ServerError {
  code: string
  constraint: string | undefined
}

/** Stands between a client and PostgreSQL, sees what the server says, and breaks the line on demand. */
export interface TcpProxy {
  port: number
  /** Every error that the server has sent through here. */
  errors: ServerError[]
  /** How many connections were broken or frozen from here. */
  broken(): number
  /** Lets everything through again; connections that were broken stay so. */
  open(): Promise<void>
  /** Ends every connection, and nobody listens. */
  refuse(): Promise<void>
  /** Resets every connection, and each new one once the client speaks. */
  reset(): Promise<void>
  /** Ends every connection, accepts new ones and answers nothing. */
  fallSilent(): Promise<void>
  /** Ends every connection in good order, and resolves when the clients have seen it. New ones are let through. */
  cut(): Promise<void>
  /** From now on the present connections stand, and nothing passes on them. New ones are let through. */
  freeze(): void
  /**
   * Withholds the answer to the next statement that has `words` in it, and resolves when the server has given it:
   * the transaction is over then, and the client does not know.
   */
  withholdAnswer(words: string): Promise<void>
  close(): Promise<void>
}

type Mode = 'open' | 'reset' | 'silent'

interface Line {
  client: net.Socket
  server: net.Socket
  /** Nothing passes any more. */
  frozen: boolean
  /** The server's answers stop here, and this hears of the end of the first. */
  withheld?: () => void
}

export async function startTcpProxy(databaseUrl: string): Promise<TcpProxy> {
  const target = new URL(databaseUrl)
  const lines = new Set<Line>()
  const errors: ServerError[] = []
  let mode: Mode = 'open'
  let broken = 0
  let withhold: { words: string; answered: () => void } | undefined

  const listener = net.createServer((client) => {
    if (mode !== 'open') {
      const held: Line = { client, server: new net.Socket(), frozen: true }
      lines.add(held)
      client.on('error', () => {})
      client.on('close', () => lines.delete(held))
      client.on('data', () => {
        if (mode === 'reset') breakLine(held, 'reset')
      })
      return
    }
    const line: Line = { client, server: net.connect(Number(target.port), target.hostname), frozen: false }
    lines.add(line)
    const readServer = messageReader((type, body) => {
      if (type === 'E') errors.push(errorIn(body))
      if (type === 'Z') line.withheld?.()
    })
    client.on('data', (bytes) => {
      if (line.frozen) return
      if (withhold && bytes.includes(withhold.words)) {
        line.withheld = withhold.answered
        withhold = undefined
      }
      line.server.write(bytes)
    })
    line.server.on('data', (bytes) => {
      readServer(bytes)
      if (!line.frozen && !line.withheld) line.client.write(bytes)
    })
    for (const [from, to] of [
      [client, line.server],
      [line.server, client],
    ] as const) {
      from.on('error', () => {})
      from.on('end', () => !line.frozen && to.end())
      from.on('close', () => {
        lines.delete(line)
        if (!line.frozen) to.destroy()
      })
    }
  })

  function breakLine(line: Line, how: 'end' | 'reset') {
    broken += 1
    lines.delete(line)
    if (how === 'reset') line.client.resetAndDestroy()
    else line.client.end()
    line.server.destroy()
  }

  async function listen(port: number) {
    if (listener.listening) return
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject)
      listener.listen(port, '127.0.0.1', resolve)
    })
  }

  async function turn(to: Mode, how: 'end' | 'reset') {
    mode = to
    for (const line of lines) breakLine(line, how)
    await listen(port)
  }

  await listen(0)
  const { port } = listener.address() as net.AddressInfo

  return {
    port,
    errors,
    broken: () => broken,
    async open() {
      const wasOpen = mode === 'open'
      mode = 'open'
      if (!wasOpen) for (const line of lines) breakLine(line, 'reset')
      await listen(port)
    },
    async refuse() {
      const closed = new Promise((resolve) => listener.close(resolve))
      for (const line of lines) breakLine(line, 'end')
      await closed
    },
    reset: () => turn('reset', 'reset'),
    fallSilent: () => turn('silent', 'end'),
    async cut() {
      const seen = [...lines].map(({ client }) => once(client, 'close'))
      await turn('open', 'end')
      await Promise.all(seen)
    },
    freeze() {
      for (const line of lines) line.frozen = true
      broken += lines.size
    },
    withholdAnswer(words) {
      const { promise, resolve } = Promise.withResolvers<void>()
      withhold = { words, answered: resolve }
      return promise
    },
    async close() {
      if (!listener.listening) return
      const closed = new Promise((resolve) => listener.close(resolve))
      for (const line of lines) breakLine(line, 'reset')
      await closed
    },
  }
}

/** Cuts what a server of PostgreSQL's protocol sends into messages. */
function messageReader(take: (type: string, body: Buffer) => void): (bytes: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0)
  return (bytes) => {
    rest = Buffer.concat([rest, bytes])
    while (rest.length >= 5) {
      const end = 1 + rest.readUInt32BE(1)
      if (rest.length < end) return
      take(String.fromCharCode(rest[0]!), rest.subarray(5, end))
      rest = rest.subarray(end)
    }
  }
}

function errorIn(body: Buffer): ServerError {
  const fields = new Map(
    body
      .toString()
      .split('\0')
      .map((field) => [field.slice(0, 1), field.slice(1)]),
  )
  return { code: fields.get('C') ?? '', constraint: fields.get('n') }
}
