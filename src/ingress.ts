import type { FastifyPluginAsync } from 'fastify'
import type { CloseStack } from './close-stack.ts'
import type { Config } from './config.ts'
import { catalogChanges } from './db/catalog.ts'
import { throwingFaults } from './db/faults.ts'
import { registrations } from './db/registrations.ts'
import { dbFailure } from './db/sqlstate.ts'
import { Fault } from './domain/fault.ts'
import { CHUNK_LIMITS } from './domain/limits.ts'
import type { MakeProblem } from './domain/problem.ts'
import type { Registered, ValidRequest } from './domain/request.ts'
import { foreseeWith } from './dry-run.ts'
import { gather } from './gather.ts'
import { batchRoutes } from './http/batch.ts'
import { catalogRoutes } from './http/catalog.ts'
import { REGISTERING } from './http/contract/registering.ts'
import { descriptionRoutes } from './http/description.ts'
import { HttpProblem } from './http/problems.ts'
import { requestListRoutes } from './http/request-list.ts'
import { workflowRequestRoutes } from './http/workflow-requests.ts'
import { workflowRoutes } from './http/workflows.ts'
import { asyncApiDocument } from './kafka/contract/asyncapi.ts'
import { eventSchemas } from './kafka/contract/schemas.ts'
import { requestMessage } from './kafka/messages.ts'
import { positionAttributes, sending } from './kafka/record-spans.ts'
import type { Metrics } from './metrics.ts'
import { tellOutcomes } from './outcome-log.ts'
import { outcomeWaiters } from './outcome-waiters.ts'
import type { OpenPool } from './pools.ts'
import { type Reads, readsOf } from './reads.ts'
import { type Register, registerWith, unlessFault } from './register.ts'
import type { RequestLog } from './request-log.ts'
import { traced } from './span.ts'
import { readStatusByRow } from './status.ts'
import { TimeLimitExceeded, within } from './within.ts'

export interface IngressParts {
  config: Config
  reads: Reads
  /** Throws a `Fault` while the database cannot be used yet. */
  mustBeOpen: () => void
  pool: OpenPool
  /** Where the asynchronous door writes to; undefined while Kafka has not answered. */
  log: () => RequestLog | undefined
  makeProblem: MakeProblem
  metrics: Metrics
}

/** The two HTTP doors, each with what it needs and nothing of the other. What is opened closes with `opened`. */
export function ingressRoutes(
  { config, reads, mustBeOpen, pool, log, makeProblem, metrics }: IngressParts,
  opened: CloseStack,
): FastifyPluginAsync[] {
  const topic = config.topics.requests
  metrics.doors(REGISTERING.map(({ operationId }) => operationId))
  const writes = pool(opened, 'writes', 4, { keepsPlans: true })
  const lists = readsOf(pool(opened, 'lists', 2), mustBeOpen) // what may take long holds up nothing else
  const registerStored = registerWith(
    { ...registrations(writes), failureOf: dbFailure },
    metrics.door('sync'),
  )
  const register: Register = async (requests) => {
    mustBeOpen()
    return registerStored(requests)
  }
  const tellOutcome = tellOutcomes('sync', metrics.door('sync'))
  const registerTogether = gather<{ request: ValidRequest; bytes: number }, Registered | Fault>({
    run: (calls) => register(calls.map(({ request }) => request)),
    sizeOf: ({ bytes }) => bytes,
    maxItems: CHUNK_LIMITS.requests,
    maxSize: CHUNK_LIMITS.bytes,
    maxInFlight: 2,
  })
  const registerBatch = gather<readonly ValidRequest[], (Registered | Fault)[]>({
    run: (batches) => Promise.all(batches.map((requests) => register(requests))),
    ...{ sizeOf: () => 0, maxItems: 1, maxSize: 0, maxInFlight: 2 }, // each alone, and beside the single ones
  })
  const foresee = foreseeWith({ look: reads.outlook.look, read: reads.status.read })

  const readRow = readStatusByRow(reads.settled)

  return [
    descriptionRoutes({
      problemBaseUrl: config.problemBaseUrl,
      events: {
        document: asyncApiDocument(config.topics, config.problemBaseUrl),
        schemas: eventSchemas(config.problemBaseUrl),
      },
      makeProblem,
    }),
    workflowRoutes({
      register: async (request, bytes) => unlessFault(await registerTogether({ request, bytes })),
      tellOutcome,
      foresee,
      workflowById: reads.catalog.byId,
      makeProblem,
    }),
    batchRoutes({
      register: registerBatch,
      tellOutcome,
      onItem: metrics.itemAnswered,
      foresee,
      workflowsByIds: reads.catalog.byIds,
      makeProblem,
    }),
    catalogRoutes({
      catalog: { ...lists.catalog, byId: reads.catalog.byId, byVersion: reads.catalog.byVersion },
      change: throwingFaults(catalogChanges(writes), mustBeOpen).change,
      makeProblem,
    }),
    workflowRequestRoutes({
      foresee,
      async publish({ workflow, ...request }, body, trace, span) {
        const { send } = log() ?? {}
        if (!send)
          throw new HttpProblem(makeProblem('unavailable', 'Kafka does not answer: nothing was sent'))
        const sent = span?.begin(sending(topic))
        const accepted = {
          ...request,
          ...{ workflowName: workflow.workflow_name, body, trace: sent?.context ?? trace },
        }
        return traced(sent, async () => {
          const position = await send(requestMessage(accepted))
          metrics.accepted()
          sent?.set(positionAttributes(position))
          return position
        })
      },
      readStatus: (...asked) => promptly((log()?.readStatus ?? readRow)(...asked)),
      waiters: outcomeWaiters({
        read: reads.status.read,
        readProgress: async () => log()?.readProgress() ?? new Map(),
      }),
      workflowById: (workflowId) => promptly(reads.catalog.byId(workflowId)),
      makeProblem,
    }),
    requestListRoutes({ list: lists.status.list, makeProblem }),
  ]
}

/** A read that somebody waits for: one that takes too long counts as an outage. It goes on, unheard. */
async function promptly<T>(read: Promise<T>): Promise<T> {
  try {
    return await within(READ_TIMEOUT_MS, read)
  } catch (error) {
    throw error instanceof TimeLimitExceeded ? new Fault('outage', { code: 'ETIMEDOUT' }, error) : error
  }
}

/** Less than a process that is told to stop has left. */
const READ_TIMEOUT_MS = 3_000
