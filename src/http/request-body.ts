import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { MakeProblem } from '../domain/problem.ts'
import { HttpProblem, tooLarge } from './problems.ts'

const JSON_TYPE = 'application/json'
const MERGE_PATCH = 'application/merge-patch+json'

/**
 * Leaves a body as it came, for it is read once, by the same code at every door, and refuses by its headers what no
 * door takes. Nothing of a refused body is kept: it is read off the connection and dropped, since a connection that is
 * closed under a caller who is still sending takes the answer with it.
 */
export function takeBodies(app: FastifyInstance, makeProblem: MakeProblem): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    [JSON_TYPE, MERGE_PATCH],
    { parseAs: 'buffer' },
    async (_request: unknown, body: Buffer) => body,
  )
  app.addHook('preParsing', async (request, reply) => {
    if (!hasBody(request)) return
    const { headers, method } = request
    if (Number(headers['content-length']) > request.routeOptions.bodyLimit)
      throw new HttpProblem(tooLarge(request, makeProblem))
    const unsupported = (detail: string) => new HttpProblem(makeProblem('unsupported-media-type', detail))
    if (!/^(identity)?$/i.test(headers['content-encoding'] ?? '')) {
      reply.header('accept-encoding', 'identity')
      throw unsupported('The body must not be compressed')
    }
    const type = headers['content-type'] ?? ''
    if (!/^(utf-8)?$/i.test(/;\s*charset\s*=\s*"?([^\s";]*)/i.exec(type)?.[1] ?? ''))
      throw unsupported('The body must be in UTF-8')
    if (request.mediaType === MERGE_PATCH && method !== 'PATCH')
      throw unsupported('The body must be application/json')
  })
  app.addHook('onSend', async (_request, reply) => {
    if (reply.hasHeader('connection')) reply.removeHeader('connection') // Fastify would close after a refused body
  })
}

/** Whether there is a body that anyone will read. */
export function hasBody(request: FastifyRequest): boolean {
  if (request.method === 'GET' || request.method === 'HEAD') return false
  return bytesAnnounced(request) !== 0
}

/** How large a body will be that has not been read; undefined where it comes in chunks, for nobody knows. */
export function bytesAnnounced({ headers }: FastifyRequest): number | undefined {
  return headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : undefined
}

/**
 * The same body, of which `refuse` sees the size of each piece as it comes. With what it answers, if anything, the
 * reading fails; the rest is read off the connection and dropped.
 */
export function countedBody(body: Readable, refuse: (bytes: number) => Error | undefined): Readable {
  const counted = new Readable({ read() {} })
  counted.on('error', () => {}) // its reader may have left
  body.on('data', (piece: Buffer) => {
    if (counted.destroyed) return
    const refusal = refuse(piece.length)
    if (refusal) counted.destroy(refusal)
    else counted.push(piece)
  })
  body.on('end', () => counted.push(null))
  body.on('error', (error) => counted.destroy(error))
  return counted
}

/** Says `100 Continue` only when the body is about to be read; other expectations are ignored. */
export function continueWhenRead(app: FastifyInstance): void {
  const waiting = new WeakSet<ServerResponse>()
  app.server.on('checkContinue', (request, response) => {
    waiting.add(response)
    app.server.emit('request', request, response)
  })
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))
  app.addHook('preParsing', async (request, reply) => {
    if (hasBody(request) && waiting.delete(reply.raw)) reply.raw.writeContinue()
  })
  app.addHook('onSend', async (_request, reply) => {
    if (waiting.has(reply.raw)) reply.header('connection', 'close') // the body may come all the same, or never
  })
}
