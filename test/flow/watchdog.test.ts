import { AssignerProtocol, type Consumer } from 'kafkajs'
import { expect, onTestFinished, test } from 'vitest'
import { get } from '../support/http.ts'
import { plainKafka, produce } from '../support/kafka.ts'
import { leaveGroupForTheDead } from '../support/leave-group.ts'
import { startProcess } from '../support/process.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type World } from '../support/world.ts'

test('a worker that its group does not take back ends with 1 and says why, and another one finishes its work', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const worker = await startProcess('worker', world)
  await until('readiness', async () => (await get(`${worker.url}/health/ready`)).status === 200)
  const rival = await takeGroup(world)
  await produce(world, [{ value: JSON.stringify(aWorkflow()) }])

  expect(await worker.exited).toEqual({ code: 1, signal: null })
  const fatal = worker.lines
    .filter((line) => line.includes('"level":"fatal"'))
    .map((line) => JSON.parse(line))
  expect(fatal).toMatchObject([{ msg: 'the process cannot go on', reason: expect.stringMatching(/\w/) }])
  expect(fatal[0].err.type).toMatch(/^KafkaJS/)

  await rival.disconnect()
  const app = await startApp(world, { roles: ['worker'] })
  onTestFinished(() => app.close())
  await until('the outcome', async () => {
    const { rows } = await world.owner.query('select outcome::text from registration_request')
    return rows[0]?.outcome === 'created'
  })
  expect(app.crashes).toEqual([])
})

/** Throws the worker out of its group and joins it as a client of another kind, with whom the worker cannot share. */
async function takeGroup(world: World): Promise<Consumer> {
  return until('the group', async () => {
    const rival = plainKafka(world).consumer({
      groupId: world.env.CONSUMER_GROUP!,
      partitionAssigners: [stubbornAssigner],
    })
    onTestFinished(() => rival.disconnect())
    const { promise: joined, resolve } = Promise.withResolvers<boolean>()
    rival.on('consumer.group_join', () => resolve(true))
    rival.on('consumer.crash', () => resolve(false))
    await rival.connect()
    await rival.subscribe({ topics: [world.env.REQUEST_TOPIC!] })
    await leaveGroupForTheDead(world)
    await rival.run({ eachMessage: async () => {} })
    return (await joined) && rival
  })
}

/** Has a name that no other client knows, and gives nobody anything. */
const stubbornAssigner = () => ({
  name: 'Stubborn',
  version: 0,
  protocol: ({ topics }: { topics: string[] }) => ({
    name: 'Stubborn',
    metadata: AssignerProtocol.MemberMetadata.encode({ version: 0, topics, userData: Buffer.alloc(0) }),
  }),
  assign: async ({ members }: { members: { memberId: string }[] }) =>
    members.map(({ memberId }) => ({
      memberId,
      memberAssignment: AssignerProtocol.MemberAssignment.encode({
        version: 0,
        assignment: {},
        userData: Buffer.alloc(0),
      }),
    })),
})
