import { createHash } from 'node:crypto'
import { z } from 'zod'
import { pointerTo } from './limits.ts'
import type { FieldError } from './problem.ts'

export const EXECUTION_ENGINES = ['tekton'] as const
export const WORKFLOW_STATUSES = ['active', 'disabled', 'deprecated', 'archived'] as const

/** Strict SemVer 2.0.0, from semver.org: no `v`, no leading zeros. */
const SEMVER =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$/

/** 1 to 255 characters, counted as PostgreSQL and JSON Schema count them: by code point. */
const shortText = z
  .string()
  .min(1, 'must not be empty')
  .refine((text) => text.length <= 255 || [...text].length <= 255, 'must have at most 255 characters')

const labelValue = z.union([z.string(), z.array(z.string())], 'must be a text or a list of texts')
const jsonScalar = z.union([z.string(), z.number(), z.boolean()])

/** The body of a create request, after read-only fields and nulls are taken away. Names are those of the columns. */
export const createWorkflowSchema = z.strictObject({
  workflow_name: shortText,
  version: z
    .string()
    .max(255, { error: 'must have at most 255 characters', abort: true })
    .regex(SEMVER, "must be a semantic version such as '1.0.0' (no 'v')"),
  name: z.string().min(1, 'must not be empty'),
  description: z.string(),
  content: z.string().min(1, 'must not be empty'),
  content_hash: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in lower-case hex')
    .optional(),
  execution_engine: z.enum(EXECUTION_ENGINES),
  labels: z.record(z.string(), labelValue).default({}),
  custom_labels: z.record(z.string(), labelValue).default({}),
  detected_labels: z
    .record(
      z.string(),
      z.union([jsonScalar, z.array(jsonScalar)], 'must be a text, number, boolean or a list of them'),
    )
    .default({}),
  parameters: z
    .union([z.record(z.string(), z.json()), z.array(z.json())], 'must be an object or a list')
    .default({}),
  owner: z.string().optional(),
  maintainer: z.string().optional(),
  container_image: z.string().optional(),
  container_digest: z.string().optional(),
  status: z.enum(WORKFLOW_STATUSES).default('active'),
})

/** A workflow that may be stored, with its hash. */
export type NewWorkflow = z.output<typeof createWorkflowSchema> & { content_hash: string }

/** Fields that clients echo back from an answer: accepted and ignored. */
const IGNORED = new Set([
  'workflow_id',
  'created_at',
  'updated_at',
  'created_by',
  'updated_by',
  'created_by_request',
  'request_fingerprint',
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
const isIgnored = (field: string) => IGNORED.has(field) || field.startsWith('expected_')

export type ReadWorkflow =
  | { workflow: NewWorkflow; errors?: undefined }
  | { workflow?: undefined; errors: FieldError[] }

/** The workflow that `body` asks for, or the first 100 things that are wrong with it, in the order of the schema. */
export function readWorkflow(body: unknown): ReadWorkflow {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return { errors: [{ pointer: '', detail: 'must be a JSON object' }] }
  const fields = Object.entries(body).filter(([field, value]) => value !== null && !isIgnored(field))
  const parsed = createWorkflowSchema.safeParse(Object.fromEntries(fields), { reportInput: true })
  if (!parsed.success) return { errors: parsed.error.issues.flatMap(fieldErrors).slice(0, 100) }

  const content_hash = createHash('sha256').update(parsed.data.content).digest('hex')
  if (parsed.data.content_hash !== undefined && parsed.data.content_hash !== content_hash)
    return { errors: [{ pointer: '/content_hash', detail: 'is not the SHA-256 of content' }] }
  return { workflow: { ...parsed.data, content_hash } }
}

/** Where the schema's word is not JSON's. */
const JSON_WORDS: Partial<Record<string, string>> = {
  record: 'an object',
  object: 'an object',
  array: 'a list',
}

function fieldErrors(issue: z.core.$ZodIssue): FieldError[] {
  const pointer = issue.path.reduce<string>((parent, name) => pointerTo(parent, String(name)), '')
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ pointer: pointerTo(pointer, key), detail: 'is not a known field' }))
  if (issue.code === 'invalid_type')
    return [
      {
        pointer,
        detail:
          issue.input === undefined
            ? 'is required'
            : `must be ${JSON_WORDS[issue.expected] ?? `a ${issue.expected}`}`,
      },
    ]
  if (issue.code === 'invalid_value')
    return [
      {
        pointer,
        detail: issue.input === undefined ? 'is required' : `must be one of: ${issue.values.join(', ')}`,
      },
    ]
  return [{ pointer, detail: issue.message }]
}
