import type { Evidence } from './db/replay.ts'
import type { Outcome } from './domain/outcome.ts'
import type { RegistrationRequest } from './domain/request.ts'
import type { Decoded } from './kafka/decode.ts'

/** A record of the log, read. */
export type ReadRecord = { partition: number; offset: string } & Decoded

/** Where what is stored is not what the log asks for. Holds no payload. */
export interface Difference {
  partition: number
  offset: string
  requestId: string
  stored: string
  mustBe: string
}

/** What became of the records so far. Each record counts once. */
export type Tally = Record<Outcome | 'id reused' | 'dead letter' | 'unknown' | 'different', number>

export interface VerifyParts {
  readEvidence(requests: readonly RegistrationRequest[]): Promise<Evidence[]>
  /** Status rows of what was accepted from here on are all kept; null when no row is. */
  rowsKeptSince: Date | null
  onDifference(difference: Difference): void
  onUnknown(record: Pick<Difference, 'partition' | 'offset' | 'requestId'>): void
}

/**
 * Compares what is stored with what settling the log must have stored, writing nothing.
 *
 * The records of a partition have to come in their order. Where a status row was purged, what is left tells: the
 * workflow of a request, or the one in its way. Nothing is left of what was rejected, and then it is unknown. A valid
 * request without a key is rejected for no reason of its own, so one that left nothing is always a difference.
 */
export function replayVerifier({ readEvidence, rowsKeptSince, onDifference, onUnknown }: VerifyParts) {
  const tally: Tally = {
    ...{ created: 0, conflict: 0, rejected: 0, failed: 0 },
    ...{ 'id reused': 0, 'dead letter': 0, unknown: 0, different: 0 },
  }
  const orders = new Map<number, ReturnType<typeof partitionOrder>>()

  return {
    tally: () => tally,

    async verify(records: readonly ReadRecord[]): Promise<void> {
      const asked = records.flatMap((record) =>
        record.request ? [{ ...record, request: record.request }] : [],
      )
      tally['dead letter'] += records.length - asked.length
      const found = await readEvidence(asked.map(({ request }) => request))
      for (const [index, { partition, offset, request }] of asked.entries()) {
        const verdict = judge(request, found[index]!, rowsKeptSince)
        if (verdict.is === 'different') {
          tally.different += 1
          onDifference({ partition, offset, requestId: request.requestId, ...verdict.difference })
          continue
        }
        if (verdict.is === 'unknown') onUnknown({ partition, offset, requestId: request.requestId })
        const loserBefore = orders.get(partition) ?? partitionOrder()
        orders.set(partition, loserBefore)
        const loser = loserBefore(offset, request, verdict)
        if (loser) {
          tally.different += 1
          tally.conflict -= 1
          onDifference({
            partition,
            ...loser,
            ...differs('conflict', `created: the workflow in its way was made by offset ${offset}`)
              .difference,
          })
        }
        tally[verdict.is] += 1
      }
    },
  }
}

export type Verdict =
  | { is: 'conflict'; holder: string }
  | { is: Exclude<keyof Tally, 'different' | 'conflict'> }
  | { is: 'different'; difference: Pick<Difference, 'stored' | 'mustBe'> }

/** How the request of one record below the progress ended, or how it should have. */
export function judge(
  request: RegistrationRequest,
  { row, made, holder }: Evidence,
  rowsKeptSince: Date | null,
): Verdict {
  if (row && row.fingerprint !== request.fingerprint) return { is: 'id reused' }
  if (row) return judgeRow(request, { row, made, holder })
  if (made) return made.fingerprint === request.fingerprint ? judgeMade(request, made) : { is: 'id reused' }
  if (holder !== null) return { is: 'conflict', holder }
  const isKept = rowsKeptSince !== null && request.acceptedAt >= rowsKeptSince
  const mayBeRejected = request.rejection !== undefined || request.idempotencyKey !== null
  if (mayBeRejected && !isKept) return { is: 'unknown' }
  return differs('nothing', request.rejection ? 'rejected' : 'created')
}

function judgeRow(
  request: RegistrationRequest,
  { row, made, holder }: Evidence & { row: NonNullable<Evidence['row']> },
): Verdict {
  const { outcome, reason } = row
  if (outcome === 'created') {
    if (made) return judgeMade(request, made)
    return differs(
      'created, without its workflow',
      request.rejection ? 'rejected, with no workflow' : 'created, with its workflow',
    )
  }
  if (made) return differs(`${outcome}, with a workflow of its own`, 'created')
  if (outcome === 'failed') return { is: 'failed' }
  if (request.rejection)
    return outcome === 'rejected' && reason === request.rejection.reason
      ? { is: 'rejected' }
      : differs(told(row), `rejected (${request.rejection.reason})`)
  if (outcome === 'rejected')
    return reason === 'idempotency-key-reused' && request.idempotencyKey !== null
      ? { is: 'rejected' }
      : differs(told(row), holder ? 'conflict' : 'created')
  return holder === null
    ? differs('conflict, with no workflow in its way', 'created')
    : { is: 'conflict', holder }
}

function judgeMade(request: RegistrationRequest, made: NonNullable<Evidence['made']>): Verdict {
  if (request.rejection) return differs('created', `rejected (${request.rejection.reason})`)
  const { workflow_name, version } = request.workflow
  if (made.fingerprint !== request.fingerprint)
    return differs('created, with a workflow that another body asked for', 'created, with its own workflow')
  return made.workflowName === workflow_name && made.version === version
    ? { is: 'created' }
    : differs('created, with a workflow of another name or version', 'created, with its own workflow')
}

function told({ outcome, reason }: NonNullable<Evidence['row']>): string {
  return reason === null ? outcome : `${outcome} (${reason})`
}

function differs(stored: string, mustBe: string) {
  return { is: 'different', difference: { stored, mustBe } } as const
}

/**
 * Who won and who lost in one partition, where nobody loses to a record that comes only later. Takes one record after
 * the other in; answers the first that lost to this one before it came.
 */
function partitionOrder() {
  const won = new Set<string>()
  const lost = new Map<string, { offset: string; requestId: string }>()

  return function loserBefore(offset: string, { requestId }: RegistrationRequest, verdict: Verdict) {
    if (verdict.is === 'conflict' && !won.has(verdict.holder) && !lost.has(verdict.holder))
      lost.set(verdict.holder, { offset, requestId })
    if (verdict.is !== 'created' || won.has(requestId)) return undefined
    won.add(requestId)
    const loser = lost.get(requestId)
    lost.delete(requestId)
    return loser
  }
}
