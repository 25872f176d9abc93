import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** Answers with a document and its ETag, or 304 to who knows it already. */
export function replyTagged(request: FastifyRequest, reply: FastifyReply, document: object) {
  const body = JSON.stringify(document)
  const tag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`
  reply.header('etag', tag)
  if (isKnown(tag, request.headers['if-none-match'])) return reply.code(304).send()
  return reply.type('application/json; charset=utf-8').send(body)
}

/** Whether `If-None-Match` names this tag, be it as a weak one: the comparison is the weak one (RFC 9110, 13.1.2). */
function isKnown(tag: string, known: string | undefined): boolean {
  if (known === undefined) return false
  return known.trim() === '*' || (known.match(/"[^"]*"/g)?.includes(tag) ?? false)
}
