import * as z from 'zod'
import { requestDocumentSchema } from '../../domain/document.ts'
import { CREATED_DOCUMENT, conflictDocument, PENDING_DOCUMENT } from '../../domain/examples.ts'
import { outcomeSchema } from '../../domain/outcome.ts'
import { workflowSchema } from '../../domain/workflow.ts'
import { dryRunAnswer } from './dry-run.ts'
import { CREATE_BODY, WORKFLOW } from './examples.ts'
import { REQUEST_HEADERS } from './headers.ts'
import { operation } from './operation.ts'
import { flag, pageSchema, paging } from './paging.ts'

/** The asynchronous door. */
export const acceptWorkflow = operation({
  operationId: 'acceptWorkflow',
  method: 'POST',
  url: '/api/v1/workflow-requests',
  scope: 'workflows:write',
  tag: 'registration',
  summary: 'Ask for a workflow to be registered, and do not wait',
  description:
    'A 202 means that Kafka has the request on all in-sync replicas. With `Prefer: wait=N` the answer is that of the synchronous door, if the request ends in time.',
  headers: REQUEST_HEADERS.keyedWait,
  query: z.strictObject({
    dry_run: flag
      .optional()
      .describe(
        'Say what would happen now, and do nothing. It asks PostgreSQL, not Kafka: requests that wait do not count.',
      ),
  }),
  body: CREATE_BODY,
  answers: {
    200: dryRunAnswer,
    201: {
      description: 'Registered while waiting (`Prefer: wait=N`)',
      schema: workflowSchema,
      headers: ['Location', 'Preference-Applied', 'Idempotent-Replayed?'],
      examples: { created: { value: WORKFLOW } },
    },
    202: {
      description: 'Accepted: `Location` tells how it ends',
      schema: requestDocumentSchema,
      headers: ['Location', 'Retry-After', 'Preference-Applied?'],
      examples: { pending: { value: PENDING_DOCUMENT } },
      links: {
        status: {
          operationId: 'getWorkflowRequest',
          parameters: { request_id: '$response.body#/request_id' },
          description: '`Location` is this URL with `at`, by which a request is found before it has ended',
        },
      },
    },
  },
  problems: ['conflict', 'idempotency-key-reused'],
})

export const getWorkflowRequest = operation({
  operationId: 'getWorkflowRequest',
  method: 'GET',
  url: '/api/v1/workflow-requests/:request_id',
  scope: 'workflows:read',
  tag: 'registration',
  summary: 'How a request ended',
  description:
    'The URL of a 202 (with `at`) is 200, and 410 once the status is no longer kept; never 404. A bare id is 404 only when no record of it can be waiting. Where tokens are asked for, the request of another principal is none, but for who has `workflows:operate`.',
  params: z.object({
    request_id: z.string().meta({ format: 'uuid', examples: [CREATED_DOCUMENT.request_id] }),
  }),
  query: z.strictObject({
    at: z
      .string()
      .max(200, 'is not one that this service gave out')
      .optional()
      .describe('Where the request was accepted, as `Location` has it'),
  }),
  headers: REQUEST_HEADERS.wait,
  answers: {
    200: {
      description: 'Its outcome, or `pending`',
      schema: requestDocumentSchema,
      headers: ['ETag', 'Cache-Control?', 'Retry-After?', 'Preference-Applied?'],
      examples: {
        created: { value: CREATED_DOCUMENT },
        conflict: { value: conflictDocument },
        pending: { value: PENDING_DOCUMENT },
      },
    },
    304: {
      description: 'Still what `If-None-Match` says',
      headers: ['ETag', 'Cache-Control?', 'Retry-After?', 'Preference-Applied?'],
    },
  },
  problems: ['not-found', 'gone'],
})

export const listWorkflowRequests = operation({
  operationId: 'listWorkflowRequests',
  method: 'GET',
  url: '/api/v1/workflow-requests',
  scope: 'workflows:operate',
  tag: 'registration',
  summary: 'Requests that ended, the newest first',
  query: z.strictObject({
    state: outcomeSchema
      .optional()
      .describe('Only those that ended so. What is pending has no row, and cannot be listed.'),
    since: z.iso
      .datetime({ offset: true, error: 'must be a time such as 2026-11-23T08:00:00Z' })
      .optional()
      .describe('Only those that ended then or later'),
    ...paging,
  }),
  answers: {
    200: {
      description: 'A page',
      schema: pageSchema(requestDocumentSchema, 'RequestPage'),
      headers: ['Link?'],
      examples: { page: { value: { items: [CREATED_DOCUMENT], next: null } } },
    },
  },
  problems: [],
})
