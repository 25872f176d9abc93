import { hash } from 'node:crypto'
import * as z from 'zod'
import { fieldErrors } from './field-errors.ts'
import type { FieldError } from './problem.ts'
import { SEMVER } from './semver.ts'

const HASH = /^[0-9a-f]{64}$/

export const EXECUTION_ENGINES = ['tekton'] as const
export const WORKFLOW_STATUSES = ['active', 'disabled', 'deprecated', 'archived'] as const

export const executionEngineSchema = z.enum(EXECUTION_ENGINES).meta({ id: 'ExecutionEngine' })
export const workflowStatusSchema = z.enum(WORKFLOW_STATUSES).meta({ id: 'WorkflowStatus' })

/** At most so many characters, counted as PostgreSQL and JSON Schema count them: by code point. */
const textUpTo = (most: number, text = z.string()) =>
  text
    .refine(
      (given) => given.length <= most || [...given].length <= most,
      `must have at most ${most} characters`,
    )
    .meta({ maxLength: most })

const shortText = textUpTo(255, z.string().min(1, 'must not be empty'))

type Scalar = string | number | boolean
const isText = (value: unknown): value is string => typeof value === 'string'
const isScalar = (value: unknown): value is Scalar => /^(string|number|boolean)$/.test(typeof value)

/**
 * Labels with values of these types, or lists of them. What they may be is a check and not a union, which would take
 * several times as long to refuse a body full of wrong ones.
 */
function labelsOf<Value extends Scalar>(
  type: string | string[],
  isOne: (value: unknown) => value is Value,
  message: string,
) {
  const isLabel = (value: unknown): value is Value | Value[] =>
    Array.isArray(value) ? value.every(isOne) : isOne(value)
  const one = { type }
  const label = z
    .unknown()
    .refine(isLabel, message)
    .meta({ anyOf: [one, { type: 'array', items: one }] })
  return z.record(z.string(), label).default({})
}

const textLabels = labelsOf('string', isText, 'must be a text or a list of texts')

/** The body of a create request, after read-only fields and nulls are taken away. Names are those of the columns. */
export const createWorkflowSchema = z.strictObject({
  workflow_name: shortText.describe('What the catalog calls it: unique together with `version`'),
  version: z
    .string()
    .max(255, { error: 'must have at most 255 characters', abort: true })
    .regex(SEMVER, "must be a semantic version such as '1.0.0' (no 'v')")
    .describe('A semantic version (2.0.0), without a `v`'),
  name: z.string().min(1, 'must not be empty').describe('What people call it'),
  description: z.string().describe('What it does, for people'),
  content: z.string().min(1, 'must not be empty').describe('Its definition: any text, kept as it is'),
  content_hash: z
    .string()
    .regex(HASH, 'must be a SHA-256 in lower-case hex')
    .optional()
    .describe('SHA-256 of `content` in UTF-8: checked when given, else worked out'),
  execution_engine: executionEngineSchema.describe('What runs it'),
  labels: textLabels.describe('What the catalog can be searched by'),
  custom_labels: textLabels,
  detected_labels: labelsOf(
    ['string', 'number', 'boolean'],
    isScalar,
    'must be a text, number, boolean or a list of them',
  ),
  parameters: z
    .union([z.record(z.string(), z.unknown()), z.array(z.unknown())], 'must be an object or a list')
    .default({}),
  owner: z.string().optional(),
  maintainer: z.string().optional(),
  container_image: z.string().optional(),
  container_digest: z.string().optional(),
  status: workflowStatusSchema
    .default('active')
    .describe('The only field that may be changed later, with a reason'),
})

/** A workflow that may be stored, with its hash. */
export type NewWorkflow = z.output<typeof createWorkflowSchema> & { content_hash: string }

const labels = z.record(z.string(), z.unknown())

/** A workflow of the catalog, without its content. */
export const workflowSummarySchema = z
  .strictObject({
    workflow_id: z.uuid(),
    workflow_name: z.string(),
    version: z.string(),
    name: z.string(),
    description: z.string(),
    content_hash: z.string().regex(HASH).describe('SHA-256 of the content, in hex'),
    execution_engine: executionEngineSchema,
    labels,
    custom_labels: labels,
    detected_labels: labels,
    parameters: z.unknown().describe('An object or a list'),
    owner: z.string().nullable(),
    maintainer: z.string().nullable(),
    container_image: z.string().nullable(),
    container_digest: z.string().nullable(),
    status: workflowStatusSchema,
    status_reason: z.string().nullable(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
    created_by_request: z.guid().describe('The request that made it'),
    request_fingerprint: z.string().regex(HASH).describe('SHA-256 of all that the request asked for, in hex'),
    principal: z.string().nullable().describe('Who asked for it; null where nobody is known'),
  })
  .meta({ id: 'WorkflowSummary', description: 'A workflow without its content' })

/** A workflow of the catalog, as it is published. */
export const workflowSchema = workflowSummarySchema.extend({ content: z.string() }).meta({
  id: 'Workflow',
  description: 'A workflow of the catalog: only its status and the reason for it ever change',
})

/** What may be changed of a workflow. */
export const workflowChangeSchema = z
  .strictObject({
    status: workflowStatusSchema.optional(),
    status_reason: textUpTo(1_000).nullable().optional().describe('Null takes the reason away'),
  })
  .meta({ id: 'WorkflowChange', minProperties: 1 })
export type WorkflowChange = z.output<typeof workflowChangeSchema>

/** Fields that clients echo back from an answer: accepted and ignored. */
export const IGNORED_FIELDS: ReadonlySet<string> = new Set([
  'workflow_id',
  'created_at',
  'updated_at',
  'created_by',
  'updated_by',
  'created_by_request',
  'request_fingerprint',
  'principal',
  'is_latest_version',
  'previous_version',
  'total_executions',
  'successful_executions',
  'actual_success_rate',
  'approved_by',
  'approved_at',
  'disabled_at',
  'disabled_by',
  'disabled_reason',
  'deprecation_notice',
  'version_notes',
  'change_summary',
])
export const isIgnored = (field: string) => IGNORED_FIELDS.has(field) || field.startsWith('expected_')

export type ReadWorkflow =
  | { workflow: NewWorkflow; errors?: undefined }
  | { workflow?: undefined; errors: FieldError[] }

/** The workflow that `body` asks for, or the first 100 things that are wrong with it, in the order of the schema. */
export function readWorkflow(body: unknown): ReadWorkflow {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return { errors: [{ pointer: '', detail: 'must be a JSON object' }] }
  let unknown = 0
  const fields = Object.entries(body).filter(([field, value]) => {
    if (value === null || isIgnored(field)) return false
    return Object.hasOwn(createWorkflowSchema.shape, field) || ++unknown <= 100 // more are not told of
  })
  const parsed = createWorkflowSchema.safeParse(Object.fromEntries(fields), { reportInput: true })
  if (!parsed.success) return { errors: fieldErrors(parsed.error) }

  const content_hash = hash('sha256', parsed.data.content)
  if (parsed.data.content_hash !== undefined && parsed.data.content_hash !== content_hash)
    return { errors: [{ pointer: '/content_hash', detail: 'is not the SHA-256 of content' }] }
  return { workflow: { ...parsed.data, content_hash } }
}
