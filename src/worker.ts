import type { CloseStack } from './close-stack.ts'
import type { Config, Infrastructure } from './config.ts'
import { throwingFaults } from './db/faults.ts'
import { progressOf } from './db/progress.ts'
import { purgeOf } from './db/purge.ts'
import { registrations } from './db/registrations.ts'
import { dbFailure } from './db/sqlstate.ts'
import type { MakeProblem } from './domain/problem.ts'
import { CLIENT_ID, kafkaClient } from './kafka/client.ts'
import { type RunningConsumer, startConsumer } from './kafka/consumer.ts'
import { readCommitted, readEnds, readOffsets } from './kafka/log-offsets.ts'
import { openPublisher } from './kafka/publish.ts'
import { openReplies, ROUTE_TIMEOUT_MS } from './kafka/replies.ts'
import { type Step, settleWith } from './kafka/settle.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'
import { tellOutcomes } from './outcome-log.ts'
import type { OpenPool } from './pools.ts'
import type { ReachedKafka } from './reached-kafka.ts'
import { registerWith } from './register.ts'
import { startRetention } from './retention.ts'
import { reaching, StartError } from './start-error.ts'
import { purgedTooSoon, refuseOtherMembers } from './topics-at-start.ts'
import type { Tracing } from './tracing.ts'
import { within } from './within.ts'

export interface WorkerParts {
  config: Config
  infrastructure: Infrastructure
  kafka: ReachedKafka
  pool: OpenPool
  makeProblem: MakeProblem
  metrics: Metrics
  log: Logger
  tracing: Tracing | undefined
  /** Aborted when what is in hand at the end has had its time. */
  givenUp: AbortSignal
  onCrash: (error: Error) => void
  onStep?: (step: Step) => void
  signal?: AbortSignal
}

/** How long the worker waits for Kafka to tell of offsets, before it asks again. */
const ADMIN_TIMEOUT_MS = 15_000

/** The consumer and the purge. What is opened closes with `opened`. */
export async function startWorker(
  {
    config,
    infrastructure,
    kafka,
    pool,
    makeProblem,
    metrics,
    log,
    tracing,
    givenUp,
    onCrash,
    onStep = () => {},
    signal,
  }: WorkerParts,
  opened: CloseStack,
): Promise<RunningConsumer> {
  const { topics, consumerGroup: group, requestRetentionDays: days } = config
  const { admin, clusterId } = kafka
  const topic = topics.requests
  const complaint = purgedTooSoon(days, topic, kafka.found)
  if (complaint) throw new StartError(`Cannot start: ${complaint}`)
  if (!(await refuseOtherMembers(admin, group, topic)))
    log.warn({ group }, 'the brokers do not tell what the members of the consumer group subscribe to')
  const db = pool(opened, 'worker', 4, { keepsPlans: true })
  const progress = throwingFaults(progressOf(db))
  const replies = openReplies({
    publisher: await kafka.publish(opened),
    defaultTopic: topics.replies,
    allowedTopics: topics.allowedReplies,
    openRoute: () => openPublisher(kafka.client, { timeoutMs: ROUTE_TIMEOUT_MS, retries: 0, givenUp }),
    kafkaAnswers: () => within(config.kafkaSendTimeoutMs, admin.describeCluster()),
    log,
  })
  opened.add(() => replies.close())
  const settle = settleWith({
    register: registerWith({ ...registrations(db), failureOf: dbFailure }, metrics.door('async')),
    moveProgress: progress.move,
    deadLetterTopic: topics.deadLetters,
    publisher: await kafka.publish(opened),
    tellOutcome: tellOutcomes('async', metrics.door('async')),
    onParked: metrics.parked,
    ...{ replies, makeProblem, log, tracing, onStep },
  })
  opened.add(startRetention({ ...purgeOf(pool(opened, 'purge', 1)), days, log }))
  const consumer = await reaching('KAFKA_BROKERS', () =>
    startConsumer({
      kafka: kafkaClient(infrastructure.kafka, CLIENT_ID, log, 'endless'),
      readOffsets: () => within(ADMIN_TIMEOUT_MS, readOffsets(admin, topic)),
      readEnds: () => within(ADMIN_TIMEOUT_MS, readEnds(admin, topic)),
      readCommitted: () => within(ADMIN_TIMEOUT_MS, readCommitted(admin, group, topic)),
      onSettled: metrics.settled,
      onRetry: metrics.retried,
      ...{ clusterId, topic, group, settle, progress, log, onStep, onCrash, signal },
    }),
  )
  opened.add(() => consumer.close())
  // Of two that start at once, neither saw the other before.
  await refuseOtherMembers(admin, group, topic)
  return consumer
}
