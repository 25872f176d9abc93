import { expect, test } from 'vitest'
import { get, post } from '../support/http.ts'
import { countRecords } from '../support/log-ends.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { withService } from '../support/world.ts'

test('replies that are too large for one produce together go in several, and block no partition', async () => {
  const world = await withService({ env: { TOPIC_PARTITIONS: '1' } })
  const backlog = 600
  await world.owner.query('alter table registration_request rename to away')
  const workflow = aWorkflow({ workflow_name: '名'.repeat(255), version: `1.0.0-${'a'.repeat(240)}` })
  let last = ''
  for (let sent = 0; sent < backlog; sent += 50) {
    const accepted = await Promise.all(
      Array.from({ length: 50 }, () => post(`${world.url}/api/v1/workflow-requests`, workflow)),
    )
    expect(accepted.map(({ status }) => status)).toEqual(accepted.map(() => 202))
    last = accepted.at(-1)!.headers.get('location')!
  }
  await world.owner.query('alter table away rename to registration_request')

  await until(
    'the last one settled',
    async () => (await get(`${world.url}${last}`)).body.state === 'conflict',
  )
  await until('a reply to each', async () => (await countRecords(world, world.env.REPLY_TOPIC!)) === backlog)
  const reply = JSON.stringify((await get(`${world.url}${last}`)).body)
  expect(
    Buffer.byteLength(reply) * 500,
    'a chunk of such replies is more than a broker takes at once',
  ).toBeGreaterThan(1024 * 1024)
})
