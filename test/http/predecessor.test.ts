import { createHash, randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { type Answer, get, post } from '../support/http.ts'
import { produce } from '../support/kafka.ts'
import { sharedService } from '../support/shared-service.ts'
import { until } from '../support/until.ts'

const service = sharedService()

/** A registration as clients of the service before this one send it, field for field. */
function asBefore() {
  const content = 'apiVersion: tekton.dev/v1\nkind: Pipeline\nmetadata:\n  name: oomkill-increase-memory\n'
  return {
    workflow_id: '550e8400-e29b-41d4-a716-446655440000',
    workflow_name: `oomkill-increase-memory-${randomUUID()}`,
    version: '1.0.0',
    name: 'OOMKill Remediation - Increase Memory Limits',
    description: 'Increases the memory limits of a deployment whose pods were killed',
    owner: 'platform-team',
    maintainer: 'oncall@example.com',
    content,
    content_hash: createHash('sha256').update(content).digest('hex'),
    parameters: [{ name: 'NAMESPACE', type: 'string', required: true }],
    execution_engine: 'tekton',
    container_image: 'ghcr.io/example/workflows/oomkill-increase-memory:v1.0.0',
    container_digest: `sha256:${'0'.repeat(63)}1`,
    labels: { signal_type: 'OOMKilled', severity: 'critical', environment: ['production', 'staging'] },
    custom_labels: { team: ['payments', 'checkout'] },
    detected_labels: { helm_managed: true, replicas: 3, git_ops_tool: 'argocd' },
    status: 'active',
    disabled_at: null,
    disabled_by: null,
    disabled_reason: null,
    is_latest_version: true,
    previous_version: null,
    deprecation_notice: null,
    version_notes: 'first release',
    change_summary: null,
    approved_by: null,
    approved_at: null,
    expected_success_rate: 0.85,
    expected_duration_seconds: 300,
    actual_success_rate: null,
    total_executions: 0,
    successful_executions: 0,
    created_at: '2025-11-01T10:00:00Z',
    updated_at: '2025-11-01T10:00:00Z',
    created_by: 'ci@example.com',
    updated_by: null,
  }
}

/** What is kept of it. */
const KEPT = [
  ...['workflow_name', 'version', 'name', 'description', 'content', 'content_hash', 'execution_engine'],
  ...['labels', 'custom_labels', 'detected_labels', 'parameters', 'owner', 'maintainer', 'container_image'],
  ...['container_digest', 'status'],
] as const
/** What the service says itself. */
const OURS = [
  ...['workflow_id', 'status_reason', 'created_at', 'updated_at', 'created_by_request'],
  ...['request_fingerprint', 'principal'],
]

function expectKept(workflow: Record<string, unknown>, sent: ReturnType<typeof asBefore>) {
  expect(Object.keys(workflow).sort()).toEqual([...KEPT, ...OURS].sort())
  for (const field of KEPT) expect({ [field]: workflow[field] }).toEqual({ [field]: sent[field] })
  for (const field of ['workflow_id', 'created_at', 'updated_at'] as const)
    expect(workflow[field]).not.toBe(sent[field])
  expect(workflow.status_reason).toBeNull()
}

const ended = (href: string): Promise<Answer['body']> =>
  until('the outcome', async () => {
    const { status, body } = await get(service.url + href)
    return status === 200 && body.state !== 'pending' && body
  })
const workflowOf = async (id: string) => (await get(`${service.url}/api/v1/workflows/${id}`)).body

test('the synchronous door takes it unchanged', async () => {
  const sent = asBefore()
  const created = await post(`${service.url}/api/v1/workflows`, sent)
  expect(created.status).toBe(201)
  expectKept(created.body, sent)
  expectKept(await workflowOf(created.body.workflow_id), sent)
})

test('the asynchronous door takes it unchanged', async () => {
  const sent = asBefore()
  const accepted = await post(`${service.url}/api/v1/workflow-requests`, sent)
  expect(accepted.status).toBe(202)
  const outcome = await ended(accepted.headers.get('location')!)
  expect(outcome.state).toBe('created')
  expectKept(await workflowOf(outcome.workflow_id), sent)
})

test('the topic takes it unchanged', async () => {
  const sent = asBefore()
  const requestId = randomUUID()
  await produce(service, [{ value: JSON.stringify(sent), headers: { 'request-id': requestId } }])
  const outcome = await ended(`/api/v1/workflow-requests/${requestId}`)
  expect(outcome.state).toBe('created')
  expectKept(await workflowOf(outcome.workflow_id), sent)
})

test('a duplicate is the 409 that its clients look for', async () => {
  const sent = asBefore()
  await post(`${service.url}/api/v1/workflows`, sent)
  expect(
    await post(`${service.url}/api/v1/workflows`, { ...sent, expected_success_rate: 0.9 }),
  ).toMatchObject({
    status: 409,
    body: {
      type: expect.stringContaining('conflict'),
      title: 'Workflow Already Exists',
      status: 409,
      detail: `Workflow '${sent.workflow_name}' version '1.0.0' already exists`,
      content: 'identical',
    },
  })
})
