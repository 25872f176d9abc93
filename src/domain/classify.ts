/** What a failure is, in the driver's words: an SQLSTATE or an error code, and the constraint where one is named. */
export interface Failure {
  code: string
  constraint?: string | undefined
}

/** What a failure of the database can mean. These words are declared here and nowhere else. */
export const FAILURE_CLASSES = [
  'contention',
  'held-lock',
  'outage',
  'interrupted',
  'conflict',
  'replay',
  'key-reused',
  'this-message',
  'systemic',
] as const

/**
 * What a failure of the database means for the requests at hand.
 *
 * `contention`: others are at the same rows; run again. `held-lock`: somebody sits on a lock; run each row alone.
 * `outage`: the database is away; requests wait. `interrupted`: the connection broke under them, or our own code did:
 * an outage unless the database answers. `conflict`, `replay`, `key-reused`: a unique key was taken.
 * `this-message`: the database refuses this one request for good. `systemic`: nothing will work until somebody acts.
 */
export type FailureClass = (typeof FAILURE_CLASSES)[number]

/** The names of the constraints that a registration can run into, as they stand in the schema. */
export const UNIQUE_KEYS = {
  nameAndVersion: 'uq_workflow_name_version',
  createdBy: 'uq_workflow_created_by_request',
  requestId: 'pk_registration_request',
  idempotencyKey: 'uq_registration_request_idempotency_key',
} as const

/** The constraint that refuses a progress which would jump over records that the database does not know as settled. */
export const NO_GAP = 'ck_consumer_progress_no_gap'

interface Rule {
  /** An SQLSTATE, the two characters of its class, or an error code of Node's or pg's. */
  code: string
  constraint?: string
  class: FailureClass
  why: string
}

/** The first rule that fits decides; what no rule names is systemic. */
export const RULES: readonly Rule[] = [
  { code: '40001', class: 'contention', why: 'serialization_failure' },
  { code: '40P01', class: 'contention', why: 'deadlock_detected' },
  { code: '55P03', class: 'held-lock', why: 'lock_not_available: lock_timeout' },
  { code: '57014', class: 'held-lock', why: 'query_canceled: statement_timeout' },
  { code: '08', class: 'interrupted', why: 'connection exceptions' },
  { code: '53', class: 'outage', why: 'insufficient resources: disk, memory, connections' },
  { code: '57P01', class: 'interrupted', why: 'admin_shutdown' },
  { code: '57P02', class: 'interrupted', why: 'crash_shutdown' },
  { code: '57P03', class: 'interrupted', why: 'cannot_connect_now' },
  { code: '57P05', class: 'interrupted', why: 'idle_session_timeout' },
  { code: '58', class: 'outage', why: 'system errors: I/O' },
  { code: '25006', class: 'outage', why: 'read_only_sql_transaction: a standby, or a failover' },
  { code: '40003', class: 'interrupted', why: 'statement_completion_unknown' },
  { code: '55006', class: 'outage', why: 'object_in_use' },
  { code: 'ECONNREFUSED', class: 'interrupted', why: 'nobody listens' },
  { code: 'ECONNRESET', class: 'interrupted', why: 'the connection broke' },
  { code: 'ECONNABORTED', class: 'interrupted', why: 'the connection broke' },
  { code: 'EPIPE', class: 'interrupted', why: 'the connection broke' },
  { code: 'EHOSTUNREACH', class: 'interrupted', why: 'no way to the host' },
  { code: 'ENETUNREACH', class: 'interrupted', why: 'no way to the network' },
  { code: 'ETIMEDOUT', class: 'interrupted', why: 'the host is silent' },
  { code: 'EAI_AGAIN', class: 'interrupted', why: 'the name server is silent' },
  { code: 'POOL_TIMEOUT', class: 'outage', why: 'no connection came free, or none could be made in time' },
  { code: 'CONNECTION_LOST', class: 'interrupted', why: 'the connection ended under a statement' },
  { code: 'UNEXPECTED', class: 'interrupted', why: 'nothing that the database said: a fault of our own' },
  {
    code: '23505',
    constraint: UNIQUE_KEYS.nameAndVersion,
    class: 'conflict',
    why: 'name and version are taken',
  },
  { code: '23505', constraint: UNIQUE_KEYS.requestId, class: 'replay', why: 'the request is stored already' },
  {
    code: '23505',
    constraint: UNIQUE_KEYS.createdBy,
    class: 'replay',
    why: 'the request made a workflow already',
  },
  { code: '23505', constraint: UNIQUE_KEYS.idempotencyKey, class: 'key-reused', why: 'the key is taken' },
  { code: '23505', class: 'this-message', why: 'some other unique key refuses it' },
  { code: '22', class: 'this-message', why: 'data exceptions' },
  { code: '23502', class: 'this-message', why: 'not_null_violation' },
  { code: '23503', class: 'this-message', why: 'foreign_key_violation' },
  {
    code: '23514',
    constraint: NO_GAP,
    class: 'outage',
    why: 'the database fell back behind the log: read again from there',
  },
  { code: '23514', class: 'this-message', why: 'check_violation' },
  { code: '23P01', class: 'this-message', why: 'exclusion_violation' },
  { code: '54', class: 'this-message', why: 'program limits: too large, too complex' },
]

/** What follows from a class, for the worker, and for a caller of the synchronous door. */
export const ACTIONS = {
  contention: { worker: 'runs it again, up to 5 times; then row by row; then waits', door: 503 },
  'held-lock': { worker: 'goes row by row at once; a row that is still held waits', door: 503 },
  outage: {
    worker: 'pauses the partition until it is over; no outcome, no dead letter, no limit',
    door: 503,
  },
  interrupted: {
    worker:
      'an outage if nothing answers; else runs it again, and a request that fails alone is failed, and parked',
    door: 503,
  },
  conflict: { worker: 'stores conflict', door: 409 },
  replay: { worker: 'repeats what is stored', door: 'as stored' },
  'key-reused': { worker: 'stores rejected', door: 422 },
  'this-message': { worker: 'stores failed, and parks the record as a dead letter', door: 500 },
  systemic: { worker: 'stops the partition with its message, until somebody mends the cause', door: 500 },
} as const satisfies Record<FailureClass, { worker: string; door: number | 'as stored' }>

export function classify(failure: Failure): FailureClass {
  const rule = RULES.find(
    ({ code, constraint }) =>
      (code === failure.code ||
        (code.length === 2 && isSqlState(failure.code) && failure.code.startsWith(code))) &&
      (constraint === undefined || constraint === failure.constraint),
  )
  return rule?.class ?? 'systemic'
}

function isSqlState(code: string): boolean {
  return /^[0-9A-Z]{5}$/.test(code)
}
