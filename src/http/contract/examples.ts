import {
  COMPLETE,
  COMPLETED_AT,
  CONTENT_HASH,
  MINIMAL,
  type ProblemExamples,
  REQUEST_ID,
  WORKFLOW_ID,
} from '../../domain/examples.ts'
import type { Body } from './operation.ts'

export const CREATE_BODY: Body = {
  schema: { component: 'CreateWorkflow' },
  mediaTypes: ['application/json'],
  examples: { minimal: { value: MINIMAL }, complete: { value: COMPLETE } },
}
export const BATCH_BODY: Body = {
  schema: { component: 'CreateWorkflows' },
  mediaTypes: ['application/json'],
  maxBytes: 8 * 1024 * 1024,
  examples: { two: { value: { workflows: [MINIMAL, COMPLETE] } } },
}

const { content, ...unread } = MINIMAL
export const SUMMARY = {
  workflow_id: WORKFLOW_ID,
  ...unread,
  content_hash: CONTENT_HASH,
  labels: {},
  custom_labels: {},
  detected_labels: {},
  parameters: {},
  owner: null,
  maintainer: null,
  container_image: null,
  container_digest: null,
  status: 'active',
  status_reason: null,
  created_at: COMPLETED_AT,
  updated_at: COMPLETED_AT,
  created_by_request: REQUEST_ID,
  request_fingerprint: '8b0f6f6b3a1f1f0e5a0d8a4a8f5f3a1b2c3d4e5f60718293a4b5c6d7e8f90a1b',
  principal: null,
}
export const WORKFLOW = { ...SUMMARY, content }

export const batchResult = (problems: ProblemExamples) => ({
  results: [
    { index: 0, request_id: REQUEST_ID, status: 409, state: 'conflict', problem: problems.conflict },
    { index: 1, request_id: null, status: 400, state: 'rejected', problem: problems['validation-error'] },
  ],
})
export const BATCH_DRY_RUN = {
  dry_run: true,
  results: [{ index: 0, request_id: null, status: 201, state: 'created' }],
}
