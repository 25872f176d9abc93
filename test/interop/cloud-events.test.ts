import { expect, test } from 'vitest'
import { eventRequestId } from '../../src/domain/ids.ts'
import { EVENT_SOURCE, EVENT_TYPES } from '../../src/kafka/events.ts'
import { get } from '../support/http.ts'
import { sharedService } from '../support/shared-service.ts'
import { aWorkflow } from '../support/workflows.ts'
import { registerInPython } from './python.ts'

const service = sharedService()

const anEvent = (workflow: Record<string, unknown>, id: string) => ({
  attributes: {
    specversion: '1.0',
    type: EVENT_TYPES.requested,
    source: '/billing',
    id,
    subject: 'anything',
    datacontenttype: 'application/json',
    correlationid: `of ${id}, in Zürich`,
    causationid: 'what came before',
  },
  data: workflow,
})

test('structured events of the CloudEvents SDK are answered by events that it can read', async () => {
  const { KAFKA_BROKERS, REQUEST_TOPIC, REPLY_TOPIC } = service.env
  const workflow = aWorkflow({ name: 'Zürich 🚀' })
  const events = [
    anEvent(workflow, 'first-🚀'),
    anEvent(workflow, 'second'),
    anEvent(aWorkflow({ version: 'v1' }), 'invalid'),
  ]
  const replies = await registerInPython([KAFKA_BROKERS!, REQUEST_TOPIC!, REPLY_TOPIC!], events)
  const replyTo = (id: string) => replies.find(({ attributes }) => attributes.correlationid?.includes(id))

  for (const { attributes: asked, data: asking } of events) {
    const { attributes, data } = replyTo(asked.id)!
    const requestId = eventRequestId('/billing', asked.id)
    expect(data).toEqual((await get(`${service.url}/api/v1/workflow-requests/${requestId}`)).body)
    expect(attributes).toEqual({
      specversion: '1.0',
      type: EVENT_TYPES.completed,
      source: EVENT_SOURCE,
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-5/),
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+\+00:00$/),
      subject: `${asking.workflow_name}@${asking.version}`,
      datacontenttype: 'application/json',
      correlationid: asked.correlationid,
      causationid: requestId,
      partitionkey: asking.workflow_name,
    })
    expect(Date.parse(attributes.time!)).toBe(Date.parse(String(data.completed_at)))
  }
  expect(replyTo('first')!.data).toMatchObject({ state: 'created' })
  expect(replyTo('second')!.data).toMatchObject({ state: 'conflict', problem: { content: 'identical' } })
  expect(replyTo('invalid')!.data).toMatchObject({ state: 'rejected', problem: { status: 400 } })
})
