import { createRequire } from 'node:module'
import { crc32, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { CompressionTypes, type IHeaders, type KafkaMessage } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { registerCodecs } from '../../src/kafka/codecs.ts'
import { mendRecordBatches, readBatches, undecodableBatch } from '../../src/kafka/record-batches.ts'
import { produceInJava } from '../support/java-producer.ts'
import { listen, plainKafka, produce, type Received } from '../support/kafka.ts'
import { asAdmin } from '../support/log-ends.ts'
import { runs } from '../support/seeded.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, startApp, type TestApp, type World } from '../support/world.ts'

const require = createRequire(import.meta.url)
const kafkajs = (file: string) => require(`kafkajs/src/protocol/${file}`)
const Decoder = kafkajs('decoder')
const Long = require('kafkajs/src/utils/long')

interface Written {
  key?: Buffer | null
  value?: Buffer | null
  headers?: Record<string, Buffer | Buffer[]>
  timestampDelta?: number
}

/** A batch as kafkajs writes it. */
async function batchOf(
  records: readonly Written[],
  {
    compression = CompressionTypes.None,
    ...context
  }: {
    compression?: CompressionTypes
    baseOffset?: bigint
    firstTimestamp?: number
    maxTimestamp?: number
    transactional?: boolean
    producerId?: bigint
  } = {},
): Promise<Buffer<ArrayBuffer>> {
  const { baseOffset = 0n, producerId = -1n, ...rest } = context
  const encoder = await kafkajs('recordBatch/v0').RecordBatch({
    ...rest,
    compression,
    firstOffset: baseOffset,
    producerId,
    lastOffsetDelta: records.length - 1,
    records: records.map(({ key = null, value = null, headers = {}, timestampDelta = 0 }, offsetDelta) =>
      kafkajs('recordBatch/record/v0')({
        key,
        value,
        headers,
        offsetDelta,
        timestampDelta: Long.fromValue(timestampDelta),
      }),
    ),
  })
  return Buffer.from(encoder.buffer)
}

const FIELDS = { length: 8, checksum: 17, attributes: 21, lastOffsetDelta: 23, count: 57, records: 61 }

/** The batch after a change that its checksum covers. */
function changed(batch: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(batch)
  change(copy)
  copy.writeUInt32BE(kafkajs('recordBatch/crc32C')(copy.subarray(FIELDS.attributes)), FIELDS.checksum)
  return copy
}

/** The batch with other bytes for its records. */
function withRecords(batch: Buffer, records: Buffer, attributes = 0): Buffer {
  return changed(Buffer.concat([batch.subarray(0, FIELDS.records), records]), (copy) => {
    copy.writeInt32BE(copy.length - 12, FIELDS.length)
    copy.writeInt16BE(attributes, FIELDS.attributes)
  })
}

const recordsIn = (batch: Buffer) => batch.subarray(FIELDS.records)

const three = await batchOf([{ value: Buffer.from('a') }, { value: Buffer.from('b') }, {}], {
  baseOffset: 40n,
  firstTimestamp: 1_000,
  maxTimestamp: 2_000,
})
const good = await batchOf([{ key: Buffer.from('k'), value: Buffer.from('good') }], { baseOffset: 43n })

const shown = ({ offset, value }: KafkaMessage) => [offset, value?.toString()]

describe('a batch that can be read', () => {
  test('is read as kafkajs reads it', async () => {
    const bytes = fc.uint8Array({ maxLength: 50 }).map((array) => Buffer.from(array))
    const name = fc.string({ unit: 'binary', maxLength: 8 }).filter((text) => text.isWellFormed())
    const record = fc.record({
      key: fc.option(bytes),
      value: fc.option(bytes),
      timestampDelta: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
      headers: fc.dictionary(
        name.filter((text) => !(text in {})),
        fc.oneof(bytes, fc.array(bytes, { minLength: 2, maxLength: 3 })),
        { maxKeys: 4 },
      ),
    })
    const context = fc.record({
      compression: fc.constantFrom(CompressionTypes.None, CompressionTypes.GZIP),
      baseOffset: fc.bigInt({ min: 0n, max: 2n ** 60n }),
      firstTimestamp: fc.integer({ min: 0, max: 2 ** 45 }),
      maxTimestamp: fc.integer({ min: 0, max: 2 ** 45 }),
      transactional: fc.boolean(),
      producerId: fc.bigInt({ min: -1n, max: 2n ** 60n }),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(record, { minLength: 1, maxLength: 70 }),
        context,
        fc.boolean(),
        async (records, settings, timeIsOfAppending) => {
          const written = await batchOf(records, settings)
          const batch = changed(written, (copy) => {
            if (timeIsOfAppending) copy[FIELDS.attributes + 1]! |= 8
          })
          const theirs = await kafkajs('recordBatch/v0/decoder')(new Decoder(batch))
          const ours = await readBatches(batch)
          expect(ours).toEqual(theirs.records)
          expect(ours.some((each) => undecodableBatch(each))).toBe(false)
        },
      ),
      runs(100),
    )
  })

  test('may have 200 000 records', async () => {
    const tombstones = await batchOf(Array(200_000).fill({}))
    const records = await readBatches(tombstones)
    expect(records).toHaveLength(200_000)
    expect(records.at(-1)).toMatchObject({ offset: '199999', value: null })
  })

  test('may have a record of 50 000 headers, as many of one name, and is read at once', {
    timeout: 10_000,
  }, async () => {
    const names = Array.from({ length: 50_000 }, (_, i) => [`h${i}`, Buffer.from([1])])
    const headers = { ...Object.fromEntries(names), often: Array(50_000).fill(Buffer.from([2])) }
    const [record] = await readBatches(await batchOf([{ headers }]))
    expect(Object.keys(record!.headers!)).toHaveLength(50_001)
    expect(record!.headers!.often).toHaveLength(50_000)
  })

  test('may have headers with the names of what every object has', async () => {
    const value = Buffer.from('1')
    const names = ['constructor', 'toString', '__proto__', 'hasOwnProperty']
    const headers = Object.fromEntries(names.map((name) => [name, value]))
    const [record] = await readBatches(await batchOf([{ headers }]))
    expect(Object.entries(record!.headers as IHeaders)).toEqual(names.map((name) => [name, value]))
  })

  test('may have lost records to compaction', async () => {
    const [first] = await readBatches(three)
    const lone = changed(three, (copy) => copy.writeInt32BE(1, FIELDS.count))
    const one = withRecords(lone, recordsIn(await batchOf([{ value: Buffer.from('a') }])))
    expect((await readBatches(one)).map(shown)).toEqual([shown(first!)])
  })

  test('may have lost them all, and still moves the consumer past its offsets', async () => {
    const empty = withRecords(
      changed(three, (copy) => copy.writeInt32BE(0, FIELDS.count)),
      Buffer.alloc(0),
    )
    const records = await readBatches(Buffer.concat([empty, good]))
    expect(records.map(shown)).toEqual([
      ['42', undefined],
      ['43', 'good'],
    ])
    expect(records[0]).toMatchObject({ isControlRecord: true })
  })
})

describe('a batch that cannot be read', () => {
  const compressed = (type: number, bytes: Buffer) => withRecords(three, bytes, type)
  const body = recordsIn(three)
  const lengthened = Buffer.from(body)
  lengthened[0]! += 2
  const disordered = Buffer.from(body)
  disordered[3] = 4 // offset delta 2, then 1

  test.each([
    ['its checksum is wrong', Object.assign(Buffer.from(three), { [three.length - 1]: 1 })],
    ['compression type 5 is unknown', compressed(5, body)],
    ['compression type 7 is unknown', compressed(7, body)],
    ['gzip: incorrect header check', compressed(1, body)],
    ['gzip: unexpected end of file', compressed(1, gzipSync(body).subarray(0, -9))],
    [
      'gzip: Cannot create a Buffer larger than 67108864 bytes',
      compressed(1, gzipSync(Buffer.alloc(2 ** 26 + 1))),
    ],
    ['snappy: expands to more than it may', compressed(2, Buffer.alloc(9, 0xff).fill(0x7f, 4))],
    ['lz4: not a frame', compressed(3, body)],
    ['zstd: Unknown frame descriptor', compressed(4, body)],
    ['a record is cut off', withRecords(three, body.subarray(0, -1))],
    ['a record is cut off', compressed(1, gzipSync(body.subarray(0, 12)))],
    ['a record is not as long as it says', withRecords(three, lengthened)],
    ['its offsets are not in order', withRecords(three, disordered)],
    ['it holds more than its records', withRecords(three, Buffer.concat([body, body]))],
    ['it counts -1 records', changed(three, (copy) => copy.writeInt32BE(-1, FIELDS.count))],
    ['it counts 2147483647 records', changed(three, (copy) => copy.writeInt32BE(2 ** 31 - 1, FIELDS.count))],
  ])('is one record in its place: %s', async (cause, broken) => {
    const [standIn, next, ...rest] = await readBatches(Buffer.concat([broken, good]))
    expect(standIn).toMatchObject({
      offset: '42',
      key: null,
      headers: {},
      timestamp: '2000',
      isControlRecord: false,
    })
    expect(standIn!.value).toEqual(broken)
    expect(undecodableBatch(standIn!)).toEqual({ baseOffset: '40', count: 3, cause })
    expect(shown(next!)).toEqual(['43', 'good'])
    expect(undecodableBatch(next!)).toBeUndefined()
    expect(rest).toEqual([])
  })

  test('is told by identity, which no producer can forge', async () => {
    const [standIn] = await readBatches(compressed(5, body))
    expect(undecodableBatch(standIn!)).toBeDefined()
    expect(undecodableBatch({ ...standIn! })).toBeUndefined()
  })

  test('is still part of its transaction', async () => {
    const batch = await batchOf([{}, {}], { transactional: true, producerId: 9n })
    const [standIn] = await readBatches(withRecords(batch, recordsIn(batch), 5 | 16))
    expect(standIn!.batchContext).toMatchObject({ inTransaction: true, producerId: '9' })
  })

  test('is invisible if it is one of the marks of transactions', async () => {
    const [standIn] = await readBatches(withRecords(three, body.subarray(1), 32))
    expect(undecodableBatch(standIn!)).toBeDefined()
    expect(standIn).toMatchObject({ isControlRecord: true, offset: '42' })
  })

  test('whatever its bytes are, ends soon, in one stand-in or in records within its offsets', async () => {
    const source = await batchOf(
      Array.from({ length: 20 }, (_, i) => ({
        value: Buffer.from(`value ${i}`),
        headers: { h: Buffer.from('1') },
      })),
      { baseOffset: 100n },
    )
    const noise = fc.array(fc.tuple(fc.nat(recordsIn(source).length - 1), fc.nat(255)), {
      minLength: 1,
      maxLength: 4,
    })
    let undecodableCount = 0
    await fc.assert(
      fc.asyncProperty(noise, async (changes) => {
        const records = Buffer.from(recordsIn(source))
        for (const [at, byte] of changes) records[at] = byte
        const read = await readBatches(withRecords(source, records))
        const offsets = read.map(({ offset }) => Number(offset))
        expect(offsets).toEqual(offsets.toSorted((a, b) => a - b))
        expect(offsets.at(-1)).toBe(119)
        if (undecodableBatch(read[0]!)) undecodableCount += 1
        expect(read.length).toBe(undecodableBatch(read[0]!) ? 1 : 20)
      }),
      { ...runs(500), timeout: 5_000 },
    )
    expect(undecodableCount).toBeGreaterThan(50)
  })
})

describe('a fetch', () => {
  test('may end within a batch, which is left for the next one', async () => {
    const log = Buffer.concat([three, good])
    for (const length of [0, 16, 17, 60, three.length - 1]) {
      expect(await readBatches(log.subarray(0, length))).toEqual([])
    }
    for (const length of [three.length, three.length + 30, log.length - 1]) {
      expect(await readBatches(log.subarray(0, length))).toHaveLength(3)
    }
    expect(await readBatches(log)).toHaveLength(4)
  })

  test('of many large batches is read in parts, each of one batch at least', async () => {
    const large = { value: Buffer.alloc(30 * 1024 * 1024) }
    const batches = await Promise.all(
      [0n, 1n, 2n, 3n].map((baseOffset) =>
        batchOf([large], { baseOffset, compression: CompressionTypes.GZIP }),
      ),
    )
    const first = await readBatches(Buffer.concat(batches))
    expect(first.map(({ offset }) => offset)).toEqual(['0', '1', '2'])
    const second = await readBatches(Buffer.concat(batches.slice(3)))
    expect(second.map(({ offset }) => offset)).toEqual(['3'])
  })

  test.each([
    ['a length of less than nothing', changed(three, (copy) => copy.writeInt32BE(-12, FIELDS.length))],
    ['a length of less than a header', changed(three, (copy) => copy.writeInt32BE(40, FIELDS.length))],
    ['a format that nobody knows', Object.assign(Buffer.from(three), { 16: 3 })],
    [
      'a last offset before the first',
      changed(three, (copy) => copy.writeInt32BE(-1, FIELDS.lastOffsetDelta)),
    ],
  ])('is refused as a whole, and not read for ever: %s', async (_, log) => {
    await expect(readBatches(log)).rejects.toThrow('not a log of record batches')
  })
})

describe('messages of the formats before Kafka 0.11', () => {
  const sized = (bytes: Buffer | null) => {
    const size = Buffer.alloc(4)
    size.writeInt32BE(bytes?.length ?? -1)
    return bytes ? Buffer.concat([size, bytes]) : size
  }
  function legacy(
    magic: 0 | 1,
    offset: bigint,
    value: Buffer | null,
    attributes = 0,
    timestamp = 7n,
  ): Buffer {
    const time = Buffer.alloc(magic * 8)
    if (magic === 1) time.writeBigInt64BE(timestamp)
    const checked = Buffer.concat([
      Buffer.from([magic, attributes]),
      time,
      sized(Buffer.from('key')),
      sized(value),
    ])
    const frame = Buffer.alloc(16)
    frame.writeBigInt64BE(offset)
    frame.writeInt32BE(4 + checked.length, 8)
    frame.writeUInt32BE(crc32(checked), 12)
    return Buffer.concat([frame, checked])
  }

  test('are read, compressed or not, with the batches behind them', async () => {
    const inner0 = Buffer.concat([legacy(0, 31n, Buffer.from('b')), legacy(0, 32n, Buffer.from('c'))])
    const inner1 = Buffer.concat([legacy(1, 0n, Buffer.from('d')), legacy(1, 1n, Buffer.from('e'))])
    const log = Buffer.concat([
      legacy(0, 30n, Buffer.from('a')),
      legacy(0, 32n, gzipSync(inner0), 1),
      legacy(1, 34n, gzipSync(inner1), 1),
      legacy(1, 36n, gzipSync(inner1), 1 | 8, 99n),
      legacy(1, 37n, null),
      good,
    ])
    const records = await readBatches(log)
    expect(records.map(shown)).toEqual([
      ['30', 'a'],
      ['31', 'b'],
      ['32', 'c'],
      ['33', 'd'],
      ['34', 'e'],
      ['35', 'd'],
      ['36', 'e'],
      ['37', undefined],
      ['43', 'good'],
    ])
    const times = records.slice(0, -1).map(({ timestamp }) => timestamp)
    expect(times).toEqual(['-1', '-1', '-1', '7', '7', '99', '99', '7'])
    expect(records.every(({ key }) => key?.toString().startsWith('k'))).toBe(true)
  })

  const entry = legacy(1, 40n, Buffer.from('x'))
  const backwards = Buffer.from(legacy(1, 0n, Buffer.from('x')))
  backwards.writeInt32BE(-12, 8)
  test.each([
    ['its checksum is wrong', Object.assign(Buffer.from(entry), { [entry.length - 1]: 0 })],
    ['compression type 6 is unknown', legacy(1, 40n, Buffer.from('x'), 6)],
    ['gzip: incorrect header check', legacy(1, 40n, Buffer.from('not gzip'), 1)],
    ['gzip: unexpected end of file', legacy(0, 40n, null, 1)],
    ['it holds no message', legacy(1, 40n, gzipSync(Buffer.alloc(0)), 1)],
    ['a message in it is cut off', legacy(1, 40n, gzipSync(backwards), 1)],
    ['a message in it is cut off', legacy(1, 40n, gzipSync(entry.subarray(0, -1)), 1)],
  ])('have a record in their place when they cannot be read: %s', async (cause, broken) => {
    const [standIn, next] = await readBatches(Buffer.concat([broken, good]))
    expect(standIn).toMatchObject({ offset: '40', key: null, headers: {}, value: broken })
    expect(undecodableBatch(standIn!)).toEqual({ baseOffset: '40', count: 1, cause })
    expect(shown(next!)).toEqual(['43', 'good'])
  })
})

/** More than 64 MiB in one batch of some 70 KB, which a broker takes. */
const bomb = Array.from({ length: 65 }, () => ({ value: Buffer.alloc(1024 * 1024) }))

describe('a consumer', () => {
  let world: World
  beforeAll(async () => {
    world = await makeWorld()
    // A consumer that is under way already goes on with what it has, and reads as ours from its next fetch on.
    kafkajs('requests/fetch/v11/response')
    mendRecordBatches()
    registerCodecs()
  })
  afterAll(() => world.close())

  async function makeTopic(): Promise<string> {
    const topic = `${world.env.REQUEST_TOPIC}-${crypto.randomUUID()}`
    await asAdmin(world, (admin) =>
      admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true }),
    )
    return topic
  }

  async function read(topic: string) {
    const consumer = await listen(world, topic)
    onTestFinished(consumer.close)
    return consumer.records
  }

  test('goes on behind a batch that cannot be read', async () => {
    const topic = await makeTopic()
    const producer = plainKafka(world).producer()
    await producer.connect()
    await producer.send({ topic, messages: [{ value: 'before' }] })
    await producer.send({ topic, messages: bomb, compression: CompressionTypes.GZIP })
    await producer.send({ topic, messages: [{ value: 'after' }] })
    await producer.disconnect()

    const records = await read(topic)
    await until('the record after it', () => records.length >= 3)
    const [before, standIn, after] = records.map(({ message }) => message) as [
      KafkaMessage,
      KafkaMessage,
      KafkaMessage,
    ]
    expect(shown(before)).toEqual(['0', 'before'])
    expect(undecodableBatch(standIn)).toMatchObject({
      baseOffset: '1',
      count: 65,
      cause: /^gzip: Cannot create/,
    })
    expect(standIn.offset).toBe('65')
    expect(standIn.value!.readBigInt64BE(0)).toBe(1n)
    expect(shown(after)).toEqual(['66', 'after'])
    expect(records).toHaveLength(3)
  })

  test('sees nothing of an aborted batch that cannot be read, and all of the next transaction', async () => {
    const topic = await makeTopic()
    const producer = plainKafka(world).producer({
      transactionalId: topic,
      idempotent: true,
      maxInFlightRequests: 1,
    })
    await producer.connect()
    const aborted = await producer.transaction()
    await aborted.send({ topic, messages: bomb, compression: CompressionTypes.GZIP })
    await aborted.abort()
    const committed = await producer.transaction()
    await committed.send({ topic, messages: bomb, compression: CompressionTypes.GZIP })
    await committed.send({ topic, messages: [{ value: 'kept' }] })
    await committed.commit()
    await producer.disconnect()

    const records = await read(topic)
    await until('the record that was kept', () => records.length >= 2)
    const seen = records.map(({ message }) => [message.offset, undecodableBatch(message)?.baseOffset])
    expect(seen).toEqual([
      ['130', '66'],
      ['131', undefined],
    ])
  })
})

describe('the service', () => {
  let world: World
  let service: TestApp
  let deadLetters: Received[]
  let replies: Received[]
  const closing: (() => Promise<void>)[] = []
  beforeAll(async () => {
    world = await makeWorld()
    service = await startApp(world, { env: { TOPIC_PARTITIONS: '1' } })
    for (const topic of [world.env.DEAD_LETTER_TOPIC!, world.env.REPLY_TOPIC!]) {
      const listener = await listen(world, topic)
      closing.push(listener.close)
      if (topic === world.env.DEAD_LETTER_TOPIC) deadLetters = listener.records
      else replies = listener.records
    }
  })
  afterAll(async () => {
    await Promise.all(closing.map((close) => close()))
    await service.close()
    await world.close()
  })

  test('keeps all of a batch that cannot be read in one dead letter, and registers what comes behind it', async () => {
    const producer = plainKafka(world).producer()
    await producer.connect()
    const topic = world.env.REQUEST_TOPIC!
    const [sent] = await producer.send({ topic, messages: bomb, compression: CompressionTypes.GZIP })
    await producer.disconnect()
    await produce(world, [{ value: JSON.stringify(aWorkflow()) }])

    await until('the reply to the request behind it', () => replies.length > 0)
    expect(replies[0]!.headers).toMatchObject({ outcome: 'created' })
    const [deadLetter] = await until('a dead letter', () => deadLetters.length > 0 && deadLetters)
    const lastOffset = BigInt(sent!.baseOffset!) + 64n
    expect(deadLetter!.headers).toMatchObject({ 'dead-letter-offset': String(lastOffset) })
    expect(deadLetter!.value!.readInt32BE(FIELDS.lastOffsetDelta)).toBe(64)
    expect(service.crashes).toEqual([])
  })

  test('keeps a record that is not JSON in a dead letter when one of its headers has no value', async () => {
    const value = Buffer.from(`not JSON ${crypto.randomUUID()}`)
    await produceInJava(world, world.env.REQUEST_TOPIC!, [value], ['none'])
    await until('its dead letter', () => deadLetters.find((record) => record.value?.equals(value)))
  })
})
