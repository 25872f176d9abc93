import { expect, test } from 'vitest'
import { get, post } from '../support/http.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { withService } from '../support/world.ts'

test('an accepted request is pending, then created, and never 404', async () => {
  const { url } = await withService()
  const workflow = aWorkflow()
  const accepted = await post(`${url}/api/v1/workflow-requests`, workflow)
  expect(accepted.status).toBe(202)
  expect(accepted.body.state).toBe('pending')

  const status = `${url}${accepted.headers.get('location')}`
  const settled = await until('an outcome', async () => {
    const { status: code, body } = await get(status)
    expect(code).toBe(200)
    return body.state !== 'pending' && body
  })
  expect(settled).toMatchObject({ state: 'created', workflow_name: workflow.workflow_name, version: '1.0.0' })
  const stored = await get(`${url}/api/v1/workflows/${settled.workflow_id}`)
  expect(stored.body).toMatchObject({ ...workflow, created_by_request: settled.request_id })
})
