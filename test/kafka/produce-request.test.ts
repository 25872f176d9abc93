import fc from 'fast-check'
import type { Message } from 'kafkajs'
import kafkajsMurmur2 from 'kafkajs/src/producer/partitioners/default/murmur2.js'
import kafkajsCrc32c from 'kafkajs/src/protocol/recordBatch/crc32C/index.js'
import writtenByKafkajs from 'kafkajs/src/protocol/requests/produce/v3/request.js'
import { describe, expect, test } from 'vitest'
import { crc32c } from '../../src/kafka/crc32c.ts'
import { murmur2 } from '../../src/kafka/murmur2.ts'
import { encodeProduce, mendProduceRequest, type Produce } from '../../src/kafka/produce-request.ts'
import { listen, plainKafka } from '../support/kafka.ts'
import { runs } from '../support/seeded.ts'
import { until } from '../support/until.ts'
import { makeWorld } from '../support/world.ts'

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
const content = fc.oneof(
  bytes,
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.nat({ max: 5_000 }).map((length) => 'ü'.repeat(length)),
)
const message: fc.Arbitrary<Message> = fc.record(
  {
    key: fc.option(content),
    value: fc.option(content),
    timestamp: fc.integer({ min: 1_000_000_000_000, max: 9_000_000_000_000 }).map(String),
    headers: fc.dictionary(
      fc.string({ maxLength: 80 }),
      fc.oneof(content, fc.array(content, { maxLength: 3 })),
      { maxKeys: 6 },
    ),
  },
  { requiredKeys: ['value', 'timestamp'] },
)
const topicData = fc.array(
  fc.record({
    topic: fc.string({ maxLength: 249 }),
    partitions: fc.array(
      fc.record({ partition: fc.nat(), messages: fc.array(message, { minLength: 1, maxLength: 8 }) }),
      { maxLength: 3 },
    ),
  }),
  { maxLength: 3 },
)

test('what is produced is written byte for byte as kafkajs writes it', async () => {
  await fc.assert(
    fc.asyncProperty(topicData, fc.nat({ max: 60_000 }), async (topicData, timeout) => {
      const produce: Produce = { acks: -1, timeout, topicData }
      const { buffer } = await writtenByKafkajs(produce).encode()
      expect(encodeProduce(produce).buffer).toEqual(buffer)
    }),
    runs(100),
  )
})

test('a batch of thousands of records is written as kafkajs writes it', async () => {
  const messages = Array.from({ length: 5_000 }, (_, index) => ({
    value: 'x'.repeat(index % 300),
    timestamp: '1700000000000',
  }))
  const produce: Produce = {
    acks: -1,
    timeout: 1,
    topicData: [{ topic: 't', partitions: [{ partition: 0, messages }] }],
  }
  expect(encodeProduce(produce).buffer).toEqual((await writtenByKafkajs(produce).encode()).buffer)
})

describe('of any bytes', () => {
  const array = fc.uint8Array({ maxLength: 500 })

  test('the checksum is that of kafkajs', () => {
    fc.assert(
      fc.property(array, (data) => {
        expect(crc32c(data)).toBe(kafkajsCrc32c(Buffer.from(data)) >>> 0)
      }),
      runs(1_000),
    )
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283) // the check value of the standard (RFC 3720)
  })

  test('the hash that chooses a partition is that of kafkajs', () => {
    fc.assert(
      fc.property(array, (key) => {
        expect(murmur2(key)).toBe(kafkajsMurmur2(Buffer.from(key)))
      }),
      runs(1_000),
    )
  })
})

test('a broker takes what is written, and every consumer reads the same', async () => {
  mendProduceRequest()
  const world = await makeWorld()
  const topic = world.env.REQUEST_TOPIC!
  const admin = plainKafka(world).admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: 2 }] })
  await admin.disconnect()
  const producer = plainKafka(world).producer({ allowAutoTopicCreation: false })
  await producer.connect()
  await producer.send({
    topic,
    messages: [
      {
        partition: 0,
        key: 'schlüssel',
        value: 'wert',
        headers: { one: 'ü', many: ['a', Buffer.from([0, 255])] },
      },
      { partition: 1, key: null, value: null, timestamp: '1700000000000' },
      { partition: 0, value: 'x'.repeat(100_000) },
    ],
  })
  await producer.disconnect()
  const { records, close } = await listen(world, topic)
  await until('all three are read', () => records.length === 3)
  await close()
  const [first, second] = records.filter(({ partition }) => partition === 0)
  expect(first).toMatchObject({ key: 'schlüssel', value: Buffer.from('wert') })
  expect(first!.message.headers).toEqual({
    one: Buffer.from('ü'),
    many: [Buffer.from('a'), Buffer.from([0, 255])],
  })
  expect(second!.value).toHaveLength(100_000)
  const other = records.find(({ partition }) => partition === 1)!
  expect(other.message).toMatchObject({ key: null, value: null, timestamp: '1700000000000' })
})
