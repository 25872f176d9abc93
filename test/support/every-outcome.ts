import { randomUUID } from 'node:crypto'
import { DOORS, type Door } from '../../src/domain/door.ts'
import { OUTCOMES, type Outcome } from '../../src/domain/outcome.ts'
import { post } from './http.ts'
import { produce } from './kafka.ts'
import { scrape, valueIn } from './metrics.ts'
import { until } from './until.ts'
import { aWorkflow } from './workflows.ts'
import type { TestApp, World } from './world.ts'

/** For each door and outcome, how many requests `everyOutcome` ends so. */
export const ENDED: Readonly<Record<Door, Readonly<Record<Outcome, number>>>> = {
  sync: { created: 2, conflict: 1, rejected: 1, failed: 1 },
  async: { created: 1, conflict: 1, rejected: 1, failed: 1 },
}

/** Has one of each outcome at each door, one of each kind of dead letter, and a replay; resolves when they are counted. */
export async function everyOutcome(service: World & TestApp): Promise<void> {
  await service.owner.query(`alter table workflow add constraint odd check (owner <> 'refused') not valid`)
  const name = randomUUID()
  const url = `${service.url}/api/v1/workflows`
  const refused = () => aWorkflow({ owner: 'refused' })
  const key = { 'idempotency-key': randomUUID() }
  const first = aWorkflow()
  const statuses = [
    await post(url, aWorkflow({ workflow_name: name })),
    await post(url, aWorkflow({ workflow_name: name })),
    await post(url, first, key),
    await post(url, first, key), // told again
    await post(url, aWorkflow(), key),
    await post(url, refused()),
  ].map(({ status }) => status)
  if (String(statuses) !== '201,409,201,201,422,500') throw new Error(`the door answered ${statuses}`)

  const accepted = await post(`${service.url}/api/v1/workflow-requests`, aWorkflow())
  if (accepted.status !== 202) throw new Error(`the asynchronous door answered ${accepted.status}`)
  const headers = { 'content-type': 'application/json' }
  await produce(service, [
    { value: JSON.stringify(aWorkflow({ workflow_name: name })), headers },
    { value: JSON.stringify({ ...aWorkflow(), version: 'none' }), headers },
    { value: JSON.stringify(refused()), headers },
    { value: 'not JSON', headers },
  ])
  await until('all of them on the metrics', async () => {
    const samples = await scrape(service.metricsUrl)
    return (
      DOORS.every((door) =>
        OUTCOMES.every((outcome) => {
          const counted = valueIn(samples, 'registrar_requests_total', { door, outcome })
          return counted === ENDED[door][outcome]
        }),
      ) && valueIn(samples, 'registrar_settled_records_total') === 5
    )
  })
}
