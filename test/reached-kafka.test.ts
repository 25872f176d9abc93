import pino from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { closeStack } from '../src/close-stack.ts'
import { parseConfig } from '../src/config.ts'
import { CLIENT_ID, kafkaClient } from '../src/kafka/client.ts'
import { readOffsets } from '../src/kafka/log-offsets.ts'
import { reachKafka } from '../src/reached-kafka.ts'
import { asAdmin } from './support/log-ends.ts'
import { until } from './support/until.ts'
import { makeWorld } from './support/world.ts'

test('where the log of requests ends is told though the topic of replies is gone', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const opened = closeStack()
  onTestFinished(() => opened.close())
  const log = pino({ level: 'silent' })
  const client = kafkaClient(world.infrastructure.kafka, CLIENT_ID, log)
  const asking = kafkaClient(world.infrastructure.kafka, CLIENT_ID, log, 'brief')
  const config = parseConfig(world.env)
  const { admin, found } = await reachKafka(
    { client, asking },
    { config, log, say() {}, givenUp: AbortSignal.any([]) },
    opened,
  )
  expect(found.made).toContain(config.topics.replies)

  await readOffsets(admin, config.topics.requests)
  const another = `${config.topics.requests}.another`
  await asAdmin(world, async (other) => {
    await other.createTopics({ topics: [{ topic: another, numPartitions: 1 }], waitForLeaders: false })
    await other.deleteTopics({ topics: [config.topics.replies] })
  })
  await expect(admin.fetchTopicMetadata({ topics: [config.topics.replies] })).rejects.toThrow()
  await until('another topic', () => readOffsets(admin, another).catch(() => false)) // asked for with all before it
  const offsets = await readOffsets(admin, config.topics.requests)
  expect(offsets.size).toBe(3)
})
