import * as z from 'zod'
import {
  executionEngineSchema,
  workflowChangeSchema,
  workflowSchema,
  workflowStatusSchema,
  workflowSummarySchema,
} from '../../domain/workflow.ts'
import { batchResultSchema } from './batch.ts'
import { dryRunAnswer } from './dry-run.ts'
import { BATCH_BODY, BATCH_DRY_RUN, batchResult, CREATE_BODY, SUMMARY, WORKFLOW } from './examples.ts'
import { REQUEST_HEADERS } from './headers.ts'
import { operation } from './operation.ts'
import { flag, pageSchema, paging } from './paging.ts'

const dryRun = z.strictObject({
  dry_run: flag.optional().describe('Say what would happen now, and write nothing'),
})
const workflowId = z.object({
  workflow_id: z.string().meta({ format: 'uuid', examples: [WORKFLOW.workflow_id] }),
})
const named = z.object({
  workflow_name: z.string().meta({ description: 'Percent-encoded', examples: [WORKFLOW.workflow_name] }),
})
const includeContent = flag.optional().describe('With `content`, which lists leave out by themselves')
const prereleases = flag.optional().describe('Let a pre-release be the latest')
const oneWorkflow = {
  description: 'The workflow',
  schema: workflowSchema,
  examples: { workflow: { value: WORKFLOW } },
} as const

/** A filter by labels: `labels[team]=payments,checkout` finds what has either. */
const labelFilter = (column: string) =>
  z
    .record(z.string().min(1, 'must not be empty'), z.string())
    .optional()
    .meta({
      description: `\`${column}[key]=a,b\`: the label \`key\` is, or has among its values, \`a\` or \`b\``,
      param: { style: 'deepObject', explode: true },
      examples: [{ team: 'payments' }],
    })

/** The synchronous door. */
export const createWorkflow = operation({
  operationId: 'createWorkflow',
  method: 'POST',
  url: '/api/v1/workflows',
  scope: 'workflows:write',
  tag: 'registration',
  summary: 'Register a workflow, and wait',
  headers: REQUEST_HEADERS.keyed,
  query: dryRun,
  body: CREATE_BODY,
  answers: {
    200: dryRunAnswer,
    201: {
      description: 'Registered',
      schema: workflowSchema,
      headers: ['Location', 'Idempotent-Replayed?'],
      examples: { created: { value: WORKFLOW } },
      links: {
        workflow: {
          operationId: 'getWorkflow',
          parameters: { workflow_id: '$response.body#/workflow_id' },
        },
      },
    },
  },
  problems: ['conflict', 'idempotency-key-reused'],
})

export const createWorkflows = operation({
  operationId: 'createWorkflows',
  method: 'POST',
  url: '/api/v1/workflows/batch',
  scope: 'workflows:write',
  tag: 'registration',
  summary: 'Register up to 500 workflows, each for itself',
  description:
    'One result for each item, in the same order: what the synchronous door would have answered to it alone. At most 8 MiB; what a single request may not exceed, an item may not either.',
  headers: REQUEST_HEADERS.keyed,
  query: dryRun,
  body: BATCH_BODY,
  answers: {
    200: {
      description: 'A result for each item',
      schema: batchResultSchema,
      examples: { results: { value: batchResult }, dry_run: { value: BATCH_DRY_RUN } },
    },
  },
  problems: [],
})

export const listWorkflows = operation({
  operationId: 'listWorkflows',
  method: 'GET',
  url: '/api/v1/workflows',
  scope: 'workflows:read',
  tag: 'catalog',
  summary: 'Workflows, the newest first',
  query: z.strictObject({
    workflow_name: z.string().optional().describe('Only those of this name'),
    status: workflowStatusSchema.optional(),
    execution_engine: executionEngineSchema.optional(),
    labels: labelFilter('labels'),
    custom_labels: labelFilter('custom_labels'),
    detected_labels: labelFilter('detected_labels'),
    include_content: includeContent,
    ...paging,
  }),
  answers: {
    200: {
      description: 'A page',
      schema: pageSchema(z.union([workflowSummarySchema, workflowSchema]), 'WorkflowPage'),
      headers: ['Link?'],
      examples: { page: { value: { items: [SUMMARY], next: null } } },
    },
  },
  problems: [],
})

export const getWorkflow = operation({
  operationId: 'getWorkflow',
  method: 'GET',
  url: '/api/v1/workflows/:workflow_id',
  scope: 'workflows:read',
  tag: 'catalog',
  summary: 'A workflow by its id',
  params: workflowId,
  query: z.strictObject({}),
  answers: { 200: oneWorkflow },
  problems: ['not-found'],
})

export const changeWorkflow = operation({
  operationId: 'changeWorkflow',
  method: 'PATCH',
  url: '/api/v1/workflows/:workflow_id',
  scope: 'workflows:operate',
  tag: 'catalog',
  summary: 'Change the status of a workflow',
  description: 'Nothing else of a workflow ever changes: what was registered stays.',
  params: workflowId,
  query: z.strictObject({}),
  body: {
    schema: workflowChangeSchema,
    mediaTypes: ['application/json', 'application/merge-patch+json'],
    examples: { deprecate: { value: { status: 'deprecated', status_reason: 'Use version 2.0.0' } } },
  },
  answers: { 200: oneWorkflow },
  problems: ['immutable-field-violation', 'not-found'],
})

export const listVersions = operation({
  operationId: 'listVersions',
  method: 'GET',
  url: '/api/v1/workflows/by-name/:workflow_name/versions',
  scope: 'workflows:read',
  tag: 'catalog',
  summary: 'The versions of a workflow, the highest first (SemVer order)',
  params: named,
  query: z.strictObject({ include_content: includeContent, ...paging }),
  answers: {
    200: {
      description: 'A page; empty when there is no workflow of this name',
      schema: pageSchema(z.union([workflowSummarySchema, workflowSchema]), 'VersionPage'),
      headers: ['Link?'],
      examples: { page: { value: { items: [SUMMARY], next: null } } },
    },
  },
  problems: [],
})

export const getLatestVersion = operation({
  operationId: 'getLatestVersion',
  method: 'GET',
  url: '/api/v1/workflows/by-name/:workflow_name/versions/latest',
  scope: 'workflows:read',
  tag: 'catalog',
  summary: 'The latest version of a workflow',
  description:
    'The highest active release; of two that differ in build metadata only, the one whose metadata is bytewise greater.',
  params: named,
  query: z.strictObject({ include_prereleases: prereleases }),
  answers: { 200: oneWorkflow },
  problems: ['not-found'],
})

export const getVersion = operation({
  operationId: 'getVersion',
  method: 'GET',
  url: '/api/v1/workflows/by-name/:workflow_name/versions/:version',
  scope: 'workflows:read',
  tag: 'catalog',
  summary: 'A workflow by its name and version',
  params: named.extend({ version: z.string().meta({ examples: [WORKFLOW.version] }) }),
  query: z.strictObject({}),
  answers: { 200: oneWorkflow },
  problems: ['not-found'],
})
