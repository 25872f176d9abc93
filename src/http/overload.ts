import { getHeapStatistics } from 'node:v8'
import underPressure from '@fastify/under-pressure'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { MakeProblem } from '../domain/problem.ts'
import { HttpProblem } from './problems.ts'
import { bytesAnnounced, countedBody, hasBody } from './request-body.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Lets go of the body, for a request that takes long to answer and needs it no more. */
    forgetBody(): void
  }
}

/** What this process takes on at the same time. */
export interface OverloadLimits {
  /** How late the event loop may be, as the mean of a second. */
  eventLoopDelayMs: number
  heapBytes: number
  /** Of bodies whose request has no answer yet, as far as they came and are still needed. */
  bodyBytes: number
  /** What comes beyond is hung up on. Each may cost 16 KiB of headers before it is a request. */
  connections: number
}

export const OVERLOAD_LIMITS: OverloadLimits = {
  eventLoopDelayMs: 1_000,
  heapBytes: 0.85 * getHeapStatistics().heap_size_limit,
  bodyBytes: 64 * 1024 * 1024,
  connections: 5_000,
}

/** Answers 503 while the process is short of time or memory, and hangs up on too many connections. Health is always told. */
export async function refuseOverload(
  app: FastifyInstance,
  makeProblem: MakeProblem,
  { eventLoopDelayMs, heapBytes, connections }: OverloadLimits,
): Promise<void> {
  app.server.maxConnections = connections
  app.server.maxHeadersCount = 0 // what is dropped beyond a count could be what matters: the 16 KiB are the limit
  await app.register(underPressure, {
    maxEventLoopDelay: eventLoopDelayMs,
    maxHeapUsedBytes: heapBytes,
    pressureHandler: async ({ url }, _reply, _type, measured) => {
      const isMeasured = Number.isFinite(measured) // after a second in which the loop never turned, nothing is
      if (isMeasured && !url.startsWith('/health/')) throw tooMuch(makeProblem)
    },
  })
}

/** What counts as a whole when it is announced: one on each connection still leaves room. */
const SMALL_BYTES = 8 * 1024

/**
 * Answers 503 to a request whose body would be too much beside those in hand: before it is read where its size tells,
 * else as soon as it is. A large one counts as what came of it, since what is only announced takes no memory.
 */
export function limitBodiesInHand(
  app: FastifyInstance,
  makeProblem: MakeProblem,
  { bodyBytes }: OverloadLimits,
): void {
  let inHand = 0
  const held = new WeakMap<FastifyRequest, number>()
  const isRoomFor = (bytes: number) => inHand + bytes <= bodyBytes
  function hold(request: FastifyRequest, bytes: number) {
    inHand += bytes
    held.set(request, (held.get(request) ?? 0) + bytes)
  }
  function letGo(request: FastifyRequest) {
    inHand -= held.get(request) ?? 0
    held.delete(request)
  }

  app.addHook('preParsing', async (request, _reply, payload) => {
    if (!hasBody(request)) return
    const bytes = bytesAnnounced(request)
    if (!isRoomFor(bytes ?? 1)) throw tooMuch(makeProblem)
    if (bytes !== undefined && bytes <= SMALL_BYTES) return hold(request, bytes)
    hold(request, 0)
    return countedBody(payload, (more) => {
      const isAnswered = !held.has(request)
      if (isAnswered || !isRoomFor(more)) return tooMuch(makeProblem)
      hold(request, more)
      return undefined
    })
  })
  app.decorateRequest('forgetBody', function forgetBody(this: FastifyRequest) {
    this.body = undefined
    letGo(this)
  })
  app.addHook('onSend', async (request) => letGo(request)) // also when the caller went away half-way
}

function tooMuch(makeProblem: MakeProblem) {
  return new HttpProblem(
    makeProblem('unavailable', 'There is too much to do at the moment: nothing was begun'),
  )
}
