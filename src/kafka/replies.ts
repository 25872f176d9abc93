import { setTimeout as delay } from 'node:timers/promises'
import type { Message } from 'kafkajs'
import type { Logger } from '../logger.ts'
import type { Span } from '../span.ts'
import { TimeLimitExceeded, within } from '../within.ts'
import type { ReplyFallback } from './events.ts'
import { type ReplyParts, replyMessage, withFallback, withoutDetails, withoutEcho } from './messages.ts'
import { type Addressed, causes, NoSuchPartition, type Publisher, PublishFailure } from './publish.ts'
import { fallbackAttributes, sending } from './record-spans.ts'
import type { Destination } from './reply-to.ts'

/** A reply that has no topic yet. */
export interface Reply {
  message: Message
  /** What to send where this is too large. */
  smaller: () => Reply | undefined
  /** Where its request wants it; undefined: on the default topic. */
  destination: Destination | undefined
  /** Its step of the trace, where there is one. */
  span?: Span | undefined
}

export interface Replies {
  /** Where a reply that wants to go there is sent. */
  topicFor(destination: Destination | undefined): string

  /** Resolves when every reply has been acknowledged: where its request wanted it, or else on the default topic. */
  send(replies: readonly Reply[]): Promise<void>
  close(): Promise<void>
}

export interface RepliesParts {
  /** Sends to the default topic. */
  publisher: Pick<Publisher, 'sendAll'>
  defaultTopic: string
  /** The others that a request may name. */
  allowedTopics: readonly string[]
  /** A publisher that gives up at once: each other topic has one, so that what is wrong with it holds up no one else. */
  openRoute: () => Promise<Publisher>
  /** Resolves when Kafka answers at all, however long that takes; rejects when it is away. */
  kafkaAnswers: () => Promise<unknown>
  log: Logger
}

/** A topic that replies were wanted on. */
interface Route {
  topic: string
  publisher?: Promise<Publisher> | undefined
  /** When its partitions were last asked for anew. */
  refreshedAt: number
  /** How long it was left alone after it had last refused, and until when that counts. */
  lastPause: { intervalMs: number; until: number }
  /** Set while it refuses: when it is tried again, beside the replies that go to the default topic. */
  refusing?: { nextTryAt: number; intervalMs: number } | undefined
}

const TRIES = 3
const PAUSE_MS = 200

/** What a topic may take to acknowledge, or to be found. */
export const ROUTE_TIMEOUT_MS = 1_000

const REFRESH_INTERVAL_MS = 1_000
const FIRST_INTERVAL_MS = 1_000
const LAST_INTERVAL_MS = 30_000

export function openReplies(parts: RepliesParts): Replies {
  const { publisher, defaultTopic, allowedTopics, openRoute, kafkaAnswers, log } = parts
  const routes = new Map(
    [defaultTopic, ...allowedTopics].map((topic): [string, Route] => [
      topic,
      { topic, refreshedAt: 0, lastPause: { intervalMs: FIRST_INTERVAL_MS, until: 0 } },
    ]),
  )

  let closed = false

  function topicFor({ topic }: Partial<Destination> = {}): string {
    return topic !== undefined && routes.has(topic) ? topic : defaultTopic
  }

  async function send(replies: readonly Reply[]): Promise<void> {
    const here: Addressed[] = []
    const elsewhere: { route: Route; reply: Reply }[] = []
    for (const reply of replies) {
      const { topic = defaultTopic, partition } = reply.destination ?? {}
      const route = routes.get(topic)
      if (topic === defaultTopic && partition === undefined) here.push(addressed(reply, topic))
      else if (route) elsewhere.push({ route, reply })
      else here.push(fallenBack(reply, 'not-allowed'))
    }
    await sendHere(here) // first: whatever comes of the others, these have gone
    const refused = await Promise.all(
      [...Map.groupBy(elsewhere, ({ route }) => route)].map(([route, group]) =>
        sendOver(
          route,
          group.map(({ reply }) => reply),
        ),
      ),
    )
    await sendHere(refused.flat().map((reply) => fallenBack(reply, 'refused')))
  }

  function fallenBack(reply: Reply, fallback: ReplyFallback): Addressed {
    reply.span?.become(sending(defaultTopic))
    reply.span?.set(fallbackAttributes(fallback))
    return addressed(reply, defaultTopic, (message) => withFallback(message, fallback))
  }

  async function sendHere(records: readonly Addressed[]): Promise<void> {
    if (records.length === 0) return
    const left = await publisher.sendAll(records)
    if (left.length > 0) throw new PublishFailure(`The topic ${defaultTopic} takes no reply at all`)
  }

  /** Answers those that the topic refuses. Rejects when it is not the topic, but Kafka that does not answer. */
  async function sendOver(route: Route, replies: readonly Reply[]): Promise<readonly Reply[]> {
    if (route.refusing) {
      tryAgain(route, replies)
      return replies
    }
    const refused: Reply[] = []
    let due = [replies]
    for (let tries = 1; ; tries += 1) {
      const came = await sendGroups(route, due)
      refused.push(...came.refused)
      if (came.failed.length === 0) return refused
      const isSilent = causes(came.fault).some((cause) => cause instanceof TimeLimitExceeded)
      if (tries === TRIES || (isSilent && tries > 1)) {
        putAside(route, came.fault)
        return [...refused, ...came.failed]
      }
      await answering()
      await delay(PAUSE_MS * tries)
      due = came.failed.map((reply) => [reply]) // so that none fails for another's sake
    }
  }

  async function answering(): Promise<void> {
    try {
      await kafkaAnswers()
    } catch (error) {
      throw new PublishFailure('Kafka does not answer', { cause: error })
    }
  }

  /** Each group and each partition alone. `refused` are those that no further try can bring there. */
  async function sendGroups(route: Route, groups: readonly (readonly Reply[])[]) {
    const parts = groups.flatMap((group) => [
      ...Map.groupBy(group, ({ destination }) => destination?.partition).values(),
    ])
    const sent = await Promise.all(
      parts.map(async (replies) => {
        try {
          return { replies, refused: await within(ROUTE_TIMEOUT_MS, sendTogether(route, replies)) }
        } catch (fault) {
          return { replies, refused: [], fault }
        }
      }),
    )
    const faults = sent.filter(({ fault }) => fault !== undefined)
    if (faults.length > 0) closeRoute(route)
    return {
      refused: sent.flatMap(({ refused }) => refused),
      failed: faults.flatMap(({ replies }) => replies),
      fault: faults[0]?.fault,
    }
  }

  /** Answers those that the topic takes in no size, or has no partition for. */
  async function sendTogether(route: Route, replies: readonly Reply[]): Promise<Reply[]> {
    if (closed) throw new PublishFailure('The replies are closed')
    route.publisher ??= openRoute()
    const opening = route.publisher
    const open = await opening
    const records = replies.map((reply) =>
      addressed(reply, route.topic, (message) => atPartition(message, reply.destination?.partition)),
    )
    try {
      const tooLarge = new Set(await open.sendAll(records))
      return replies.filter((_, index) => tooLarge.has(records[index]!))
    } catch (error) {
      if (!causes(error).some((cause) => cause instanceof NoSuchPartition)) throw error
      if (route.publisher === opening) {
        if (Date.now() < route.refreshedAt + REFRESH_INTERVAL_MS) return [...replies]
        route.refreshedAt = Date.now()
        closeRoute(route)
      }
      return sendTogether(route, replies) // it may have been made since that publisher looked
    }
  }

  function putAside(route: Route, fault: unknown): void {
    if (route.refusing) return
    log.warn({ topic: route.topic, err: fault }, 'a reply topic refuses: its replies go to the default topic')
    const { intervalMs, until } = route.lastPause
    pause(route, Date.now() < until ? intervalMs : FIRST_INTERVAL_MS)
  }

  function pause(route: Route, intervalMs: number): void {
    route.refusing = { nextTryAt: Date.now() + intervalMs, intervalMs }
  }

  /** Tries whether a topic takes replies again, with one that nobody waits for: it goes to the default topic as well. */
  function tryAgain(route: Route, [reply]: readonly Reply[]): void {
    const { refusing } = route
    if (!reply || !refusing || Date.now() < refusing.nextTryAt) return
    const intervalMs = Math.min(2 * refusing.intervalMs, LAST_INTERVAL_MS)
    pause(route, intervalMs)
    void sendGroups(route, [[reply]]).then(({ refused, failed }) => {
      if (refused.length > 0) pause(route, refusing.intervalMs) // tells of that reply alone
      if (refused.length > 0 || failed.length > 0) return
      route.refusing = undefined
      route.lastPause = { intervalMs, until: Date.now() + 2 * LAST_INTERVAL_MS }
      log.info({ topic: route.topic }, 'a reply topic takes replies again')
    })
  }

  function closeRoute(route: Route): Promise<void> | undefined {
    const closing = route.publisher?.then((open) => open.close())
    route.publisher = undefined
    return closing?.catch(() => {})
  }

  return {
    topicFor,
    send,
    async close() {
      closed = true
      await Promise.all([...routes.values()].map(closeRoute))
    },
  }
}

/** The reply to a request, with the smaller ones that say the same. */
export function replyFor(parts: ReplyParts, span?: Span): Reply {
  const { destination } = parts.replyTo
  const least = (): Reply => ({ message: withoutEcho(parts), smaller: () => undefined, destination })
  const less = () => {
    const message = withoutDetails(parts)
    return message ? { message, smaller: least, destination } : least()
  }
  return { message: replyMessage(parts), smaller: less, destination, span }
}

const atPartition = (message: Message, partition: number | undefined): Message =>
  partition === undefined ? message : { ...message, partition }

function addressed(
  reply: Reply,
  topic: string,
  change: (message: Message) => Message = (message) => message,
): Addressed {
  const smaller = () => {
    const less = reply.smaller()
    return less && addressed(less, topic, change)
  }
  return { topic, message: change(reply.message), smaller }
}
