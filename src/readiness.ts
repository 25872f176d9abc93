import type { Topics } from './config.ts'
import { dbRefusal } from './db/failure.ts'
import type { Check, Readiness } from './http/health.ts'
import { kafkaRefusal } from './kafka/failure.ts'
import type { Opening } from './opening.ts'
import type { ReachedKafka } from './reached-kafka.ts'
import type { Reads } from './reads.ts'
import { within } from './within.ts'

export interface ReadinessParts {
  database: Opening<Reads>
  kafka: Opening<ReachedKafka>
  topics: Topics
  hasDoors: boolean
  /** Why the worker does not go on, where there is one. */
  troubles?: () => string[]
}

/** What a process needs to do its job, by what it has. */
export function readinessOf({ database, kafka, topics, hasDoors, troubles }: ReadinessParts): Readiness {
  const stores = answering(database, 'PostgreSQL does not answer', ({ progress }) =>
    progress.read(kafka.value?.clusterId ?? '', topics.requests),
  )
  const takes = (topic: string) =>
    answering(kafka, `Kafka does not answer for the topic ${topic}`, ({ admin }) =>
      admin.fetchTopicMetadata({ topics: [topic] }),
    )
  const needed = [topics.requests, topics.replies, topics.deadLetters]
  return {
    ...(hasDoors && { doors: { sync: stores, async: takes(topics.requests) } }),
    ...(troubles && { worker: all([stores, ...needed.map(takes), async () => troubles()]) }),
  }
}

/** What has not answered by then counts as away. */
const CHECK_TIMEOUT_MS = 1_500

/** Whether what was opened still answers: `ask` it something; `words` for when it does not. */
function answering<T>(opening: Opening<T>, words: string, ask: (value: T) => Promise<unknown>): Check {
  return async () => {
    const { value, reason } = opening
    if (value === undefined) return [reason ?? words]
    return within(CHECK_TIMEOUT_MS, ask(value)).then(
      () => [],
      (error) => [kafkaRefusal(error) ?? dbRefusal(error) ?? words],
    )
  }
}

function all(checks: readonly Check[]): Check {
  return async () => (await Promise.all(checks.map((check) => check()))).flat()
}
