import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { WorkflowRow } from '../db/catalog.ts'
import { type Rejection, readItem, readJson } from '../domain/body.ts'
import { documentOf, rejectionProblem } from '../domain/document.ts'
import { Fault } from '../domain/fault.ts'
import { fieldErrors } from '../domain/field-errors.ts'
import { CHUNK_LIMITS } from '../domain/limits.ts'
import type { MakeProblem } from '../domain/problem.ts'
import { nameOf, type Registered, type ValidRequest } from '../domain/request.ts'
import type { Foresee } from '../dry-run.ts'
import { requestFields, type TellOutcome } from '../outcome-log.ts'
import { registering, traced } from '../span.ts'
import { createWorkflowsSchema, type ItemResult } from './contract/batch.ts'
import { createWorkflows } from './contract/workflows.ts'
import { bytesOf, createRequest, readIdempotencyKey } from './create-request.ts'
import { dryRunOf } from './dry-run-answer.ts'
import { faultProblem, HttpProblem, logProblem, problemAbout } from './problems.ts'
import { serve } from './serve.ts'

export interface BatchRoutesParts {
  /** Together and in order: at most 500, of at most 4 MiB. */
  register: (requests: readonly ValidRequest[]) => Promise<readonly (Registered | Fault)[]>
  tellOutcome: TellOutcome
  /** Told the status of each item that has its result. */
  onItem: (status: number) => void
  foresee: Foresee
  /** In any order. */
  workflowsByIds: (workflowIds: readonly string[]) => Promise<WorkflowRow[]>
  makeProblem: MakeProblem
}

/** The synchronous door for many at once, each for itself. */
export function batchRoutes({
  register,
  tellOutcome,
  onItem,
  foresee,
  workflowsByIds,
  makeProblem,
}: BatchRoutesParts) {
  return async function batch(app: FastifyInstance) {
    serve(app, createWorkflows, makeProblem, async ({ request, query }) => {
      const key = readIdempotencyKey(request, makeProblem)
      const { valid, refused } = await readItems(readFrame(request), key, request)
      request.span?.set({ 'registrar.door': 'sync', 'registrar.batch_size': valid.length + refused.length })
      const tell = query.dry_run ? foreseeItems : registerItems
      const results = [...refused, ...(await tell(valid, request))].sort((a, b) => a.index - b.index)
      for (const { status } of results) onItem(status)
      return { ...(query.dry_run && { dry_run: true }), results }
    })
  }

  /** The items in a body, unread: they may be deeper than any recursion can go. */
  function readFrame(request: FastifyRequest): unknown[] {
    const { value, rejection } = readJson(bytesOf(request))
    if (rejection) throw new HttpProblem(rejectionProblem(rejection, makeProblem))
    if (!isFrame(value)) throw new HttpProblem(rejectionProblem(NO_FRAME, makeProblem))
    const frame = createWorkflowsSchema.safeParse(value, { reportInput: true })
    if (frame.success) return frame.data.workflows
    const errors = fieldErrors(frame.error)
    throw new HttpProblem(rejectionProblem({ reason: 'validation-error', errors }, makeProblem))
  }

  /** Under a key, each item has it in a scope of its own: sent again, the same body has the same results. */
  async function readItems(values: readonly unknown[], key: string | undefined, request: FastifyRequest) {
    const valid: ValidItem[] = []
    const refused: Result[] = []
    let turn = performance.now()
    for (const [index, value] of values.entries()) {
      const item = readItem(value)
      if (item.kind === 'valid') {
        valid.push({
          index,
          create: createRequest(item, request.caller, key, `batch/${index}`),
          bytes: item.bytes,
        })
      } else {
        const problem = rejectionProblem(item.rejection, makeProblem)
        logProblem(request, problem, { item: index })
        refused.push({ index, request_id: null, status: problem.status, state: 'rejected', problem })
      }
      if (performance.now() - turn > MAX_TURN_MS) {
        await nextTurn()
        turn = performance.now()
      }
    }
    return { valid, refused }
  }

  async function foreseeItems(items: readonly ValidItem[]): Promise<Result[]> {
    const foreseen = await foresee(items.map(({ create }) => create))
    return foreseen.map((one, at) => {
      const { state, status, workflow_id, problem } = dryRunOf(one, makeProblem)
      return {
        index: items[at]!.index,
        request_id: null,
        ...{ status, state },
        ...(workflow_id !== undefined && { workflow_id }),
        ...(problem && { problem }),
      }
    })
  }

  /**
   * One chunk after the other, so that of two items with one name and version the first wins. Of items that met a fault
   * nobody knows; the others stand.
   */
  async function registerItems(items: readonly ValidItem[], request: FastifyRequest): Promise<Result[]> {
    const outcomes: (Registered | Fault)[] = []
    for (const chunk of inChunks(items)) {
      const registered = await orFault(() =>
        traced(request.span?.begin(registering(chunk.length)), () =>
          register(chunk.map(({ create }) => create)),
        ),
      )
      outcomes.push(...(registered instanceof Fault ? chunk.map(() => registered) : registered))
    }
    const created = outcomes.flatMap((one) =>
      one instanceof Fault || one.outcome !== 'created' || !one.entry ? [] : [one.entry.workflowId],
    )
    const workflows = created.length === 0 ? [] : await orFault(() => workflowsByIds(created))
    const byId =
      workflows instanceof Fault ? workflows : new Map(workflows.map((row) => [row.workflow_id, row]))
    return items.map((item, at) => resultOf(item, outcomes[at]!, byId, request))
  }

  /** What became of an item, with the one log line that it is worth. */
  function resultOf(
    { index, create }: ValidItem,
    outcome: Registered | Fault,
    workflows: ReadonlyMap<string, WorkflowRow> | Fault,
    request: FastifyRequest,
  ): Result {
    const { requestId } = create
    const item = { index, request_id: requestId }
    if (outcome instanceof Fault) {
      const problem = problemAbout(requestId, faultProblem(outcome, makeProblem)!)
      const fields = requestFields('sync', { requestId, ...nameOf(create) })
      logProblem(request, problem, { cause: outcome, item: index, fields })
      return { ...item, status: problem.status, state: null, problem }
    }
    tellOutcome(request.log, outcome)
    const { problem, workflow_id } = documentOf(outcome, makeProblem)
    if (problem) return { ...item, status: problem.status, state: outcome.outcome, problem }
    const workflow = workflows instanceof Fault ? undefined : workflows.get(workflow_id!)
    return { ...item, status: 201, state: 'created', ...(workflow ? { workflow } : { workflow_id }) }
  }
}

/** How long to read items before others have their turn. */
const MAX_TURN_MS = 10

interface ValidItem {
  index: number
  create: ValidRequest
  bytes: number
}

/** Times are written as ISO 8601 when it is sent. */
type Result = Omit<ItemResult, 'workflow'> & { workflow?: WorkflowRow | undefined }

/** As few as may be registered together, in order. */
function inChunks(items: readonly ValidItem[]): ValidItem[][] {
  const chunks: ValidItem[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const item of items) {
    bytes += item.bytes
    if (bytes > CHUNK_LIMITS.bytes) {
      chunks.push([])
      bytes = item.bytes
    }
    chunks.at(-1)!.push(item)
  }
  return chunks
}

/** Whether a body can be the frame at all: told before a schema looks at what may be a million of fields. */
function isFrame(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.keys(value).length <= 100
}

const NO_FRAME: Rejection = {
  reason: 'validation-error',
  errors: [{ pointer: '', detail: 'must be an object with the list `workflows`' }],
}

/** A fault as a value: it is told of each item, and the others stand. */
async function orFault<T>(step: () => Promise<T>): Promise<T | Fault> {
  try {
    return await step()
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
}
