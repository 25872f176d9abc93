import type { Topics } from './config.ts'
import { dbRefusal } from './db/failure.ts'
import { type Privilege, TO_CONSUME, TO_REGISTER } from './db/server.ts'
import { Fault } from './domain/fault.ts'
import type { Check, Readiness } from './http/health.ts'
import { kafkaRefusal } from './kafka/failure.ts'
import type { Opening } from './opening.ts'
import type { ReachedKafka } from './reached-kafka.ts'
import type { Reads } from './reads.ts'
import { within } from './within.ts'

export interface ReadinessParts {
  database: Opening<Reads>
  kafka: Opening<{ reached: ReachedKafka }>
  topics: Topics
  hasDoors: boolean
  /** Why no token can be read, where they are asked for. */
  keysTrouble?: () => string | undefined
  /** Why the worker does not go on, where there is one. */
  troubles?: () => string[]
}

/** What a process needs to do its job, by what it has. */
export function readinessOf({
  database,
  kafka,
  topics,
  hasDoors,
  keysTrouble = () => undefined,
  troubles,
}: ReadinessParts): Readiness {
  const stores = (needed: readonly Privilege[]) =>
    answering(database, 'PostgreSQL does not answer', async ({ server }) => {
      const { isWritable, lacks } = await server.look(needed)
      if (!isWritable) return 'PostgreSQL takes no changes: it is a standby, or read-only'
      return lacks.length > 0 ? `PostgreSQL does not let our role do this: ${lacks.join(', ')}` : undefined
    })
  const takes = (topic: string) =>
    answering(kafka, `Kafka does not answer for the topic ${topic}`, async ({ reached: { admin } }) => {
      await admin.fetchTopicMetadata({ topics: [topic] })
      return undefined
    })
  const takesRequests = takes(topics.requests)
  const admits: Check = async () => [keysTrouble() ?? []].flat()
  return {
    ...(hasDoors && {
      doors: { sync: all([stores(TO_REGISTER), admits]), async: all([takesRequests, admits]) },
    }),
    ...(troubles && {
      worker: all([
        stores(TO_CONSUME),
        takesRequests,
        ...[topics.replies, topics.deadLetters].map(takes),
        async () => troubles(),
      ]),
    }),
  }
}

/** What has not answered by then counts as away. */
const CHECK_TIMEOUT_MS = 1_500

/**
 * Whether what was opened still answers: `ask` it what is the matter; `words` for when it does not answer.
 * However many want to know, it is asked once at a time.
 */
function answering<T>(
  opening: Opening<T>,
  words: string,
  ask: (value: T) => Promise<string | undefined>,
): Check {
  let looking: Promise<string[]> | undefined
  async function look(): Promise<string[]> {
    const { value, reason } = opening
    if (value === undefined) return [reason ?? words]
    return within(CHECK_TIMEOUT_MS, ask(value)).then(
      (matter) => (matter === undefined ? [] : [matter]),
      (error) => [kafkaRefusal(error) ?? dbRefusal(error) ?? refused(error) ?? words],
    )
  }
  return () => {
    looking ??= look().finally(() => {
      looking = undefined
    })
    return looking
  }
}

/** What PostgreSQL said that was no outage. */
function refused(error: unknown): string | undefined {
  if (!(error instanceof Fault) || error.class === 'outage') return undefined
  return `PostgreSQL refuses what is asked of it (${error.failure.code})`
}

function all(checks: readonly Check[]): Check {
  return async () => (await Promise.all(checks.map((check) => check()))).flat()
}
