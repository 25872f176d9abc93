import { connect } from 'node:net'
import type { Answer } from './http.ts'
import { inspectProblems } from './leaks.ts'

/** Writes these bytes to the server as they are, and reads its answer until it closes the connection. */
export function raw(url: string, request: string): Promise<Pick<Answer, 'status' | 'headers' | 'body'>> {
  const { hostname, port } = new URL(url)
  return new Promise<string>((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(request))
    let text = ''
    socket.setEncoding('utf8')
    socket.on('data', (part: string) => {
      text += part
    })
    // A server may close before it has read everything: then writing fails, and the answer is here all the same.
    socket.on('error', (error) => text === '' && reject(error))
    socket.on('close', () => resolve(text))
  }).then(read)
}

/** What was answered, looked into as what any other caller gets. */
function read(text: string): Pick<Answer, 'status' | 'headers' | 'body'> {
  const [head = '', body = ''] = text.split('\r\n\r\n')
  const [statusLine = '', ...headerLines] = head.split('\r\n')
  const headers = new Headers(headerLines.map((line) => line.split(/: ?/, 2) as [string, string]))
  const isJson = headers.get('content-type')?.includes('json') && body !== ''
  const answer = { status: Number(statusLine.split(' ')[1]), headers, body: isJson ? JSON.parse(body) : body }
  inspectProblems(answer.status, answer.body)
  return answer
}

/** A connection on which a test says what it likes, when it likes. */
export interface Line {
  say(text: string): void
  /** Everything that came back so far. */
  heard(): string
  /** Whether the server has let go of it. */
  isClosed(): boolean
  hangUp(): void
}

export function dial(url: string): Line {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let text = ''
  let closed = false
  socket.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  socket.on('error', () => {}) // the server may let go at any time
  socket.on('close', () => {
    closed = true
  })
  return {
    say: (part) => void socket.write(part),
    heard: () => text,
    isClosed: () => closed,
    hangUp: () => socket.destroy(),
  }
}
