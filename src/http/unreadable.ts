import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { MakeProblem, Problem, ProblemSlug } from '../domain/problem.ts'
import { PROBLEM_JSON } from './problems.ts'

interface Exchange {
  request: IncomingMessage
  response: ServerResponse
  /** What has to be answered before. */
  before: ServerResponse | undefined
}

/** Told the status of each such answer, and whose it is in place of a response, where a request had begun. */
export type UnreadableAnswered = (status: number, response: ServerResponse | undefined) => void

/**
 * Answers what never becomes a request: bytes that are not HTTP, heads and bodies that do not come to an end in time,
 * and CONNECT. Then the connection is closed.
 *
 * An answer goes to the oldest request that has none. A request that was understood therefore gets its own answer
 * first, and one whose answer is out already gets no second one.
 */
export function unreadableRequests(makeProblem: MakeProblem, answered: UnreadableAnswered = () => {}) {
  const exchanges = new WeakMap<Duplex, Exchange>()
  const ending = new WeakSet<Duplex>()

  function end(socket: Duplex, problem: Problem | undefined, isHeard: boolean, response?: ServerResponse) {
    if (!socket.writable) return void socket.destroy()
    if (problem && isHeard) answered(problem.status, response)
    socket.end(problem && written(problem), () => socket.destroy()) // the other side may never close its half
  }

  function answer({ code = '' }: { code?: string | undefined }, socket: Socket) {
    if (ending.has(socket)) return
    ending.add(socket)
    const { request, response, before } = exchanges.get(socket) ?? {}
    const slug = SLUGS[code] ?? 'validation-error'
    const isAnswered = request?.complete === false && response?.headersSent
    const problem = isAnswered ? undefined : makeProblem(slug, 'The request could not be read as HTTP')
    const [awaited, own] = request?.complete ? [response] : [before, response]
    const isHeard = !LEAVING.has(code)
    const close = () => end(socket, problem, isHeard, own)
    if (!awaited || awaited.writableFinished) return close()
    awaited.once('close', close)
  }

  return {
    answer,

    /** To a request that is not here whole when its time is over. */
    late: (socket: Socket) => answer({ code: TOO_LATE }, socket),

    watch(server: Server) {
      server.on('request', (request, response) => {
        const before = exchanges.get(request.socket)?.response
        exchanges.set(request.socket, {
          request,
          response,
          before: before?.writableFinished ? undefined : before,
        })
      })
      server.on('connect', (_request, socket) => {
        socket.on('error', () => socket.destroy())
        end(socket, makeProblem('not-found', 'There is nothing at this URL'), true)
      })
    },
  }
}

function written(problem: Problem): string {
  const body = JSON.stringify(problem)
  return (
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nconnection: close\r\n` +
    `content-type: ${PROBLEM_JSON}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  )
}

/** What is said of a caller who left half-way: an answer is written, but none is waited for. */
const LEAVING: ReadonlySet<string> = new Set(['ECONNRESET', 'HPE_INVALID_EOF_STATE'])

const TOO_LATE = 'ERR_HTTP_REQUEST_TIMEOUT'

const SLUGS: Record<string, ProblemSlug> = {
  HPE_HEADER_OVERFLOW: 'header-fields-too-large',
  [TOO_LATE]: 'request-timeout',
}
