import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { CompressionCodecs, CompressionTypes } from 'kafkajs'
import fetches from 'kafkajs/src/protocol/requests/fetch/index.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decompress, MAX_DECOMPRESSED_BYTES, registerCodecs } from '../../src/kafka/codecs.ts'
import { decodeFetch } from '../../src/kafka/fetch-response.ts'
import { mendRecordBatches } from '../../src/kafka/record-batches.ts'
import { COMPRESSORS, inSnappyJavaBlocks } from '../support/compressors.ts'
import { produceInJava } from '../support/java-producer.ts'
import { listen } from '../support/kafka.ts'
import { asAdmin } from '../support/log-ends.ts'
import { runs } from '../support/seeded.ts'
import { until } from '../support/until.ts'
import { makeWorld, type World } from '../support/world.ts'

const { GZIP, Snappy, LZ4, ZSTD } = CompressionTypes

/** Bytes that repeat themselves near and far, as a batch of JSON does, with some that don't. */
const someBytes = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc
        .record({ part: fc.uint8Array({ minLength: 1, maxLength: 20 }), times: fc.nat(5_000) })
        .map(({ part, times }) => Buffer.concat(Array(times).fill(part))),
    ),
    { maxLength: 8 },
  )
  .map((parts) => Buffer.concat([...parts, ...parts]))

describe.each(COMPRESSORS)('$name', ({ type, compress }) => {
  test('gives back whatever was compressed', async () => {
    await fc.assert(
      fc.asyncProperty(someBytes, async (bytes) => {
        const back = await decompress(type, await compress(bytes))
        expect(back.equals(bytes)).toBe(true)
      }),
      runs(60),
    )
  })

  test('what is broken anywhere ends in an error or in other bytes, soon', async () => {
    const breakage = fc.record({ at: fc.nat(), bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }) })
    let refused = 0
    await fc.assert(
      fc.asyncProperty(someBytes, breakage, fc.boolean(), async (bytes, { at, bytes: noise }, cut) => {
        const compressed = await compress(bytes)
        const place = at % compressed.length
        if (!cut) compressed.set(noise.subarray(0, compressed.length - place), place)
        const broken = cut ? compressed.subarray(0, place) : compressed
        const result = await decompress(type, broken).catch((error: Error) => error)
        if (result instanceof Error) refused += 1
        else expect(result.length).toBeLessThanOrEqual(MAX_DECOMPRESSED_BYTES)
      }),
      { ...runs(150), timeout: 5_000 },
    )
    expect(refused).toBeGreaterThan(20)
  })

  test('64 MiB come through, and a byte more does not', async () => {
    const most = Buffer.alloc(MAX_DECOMPRESSED_BYTES, 'workflow ')
    expect((await decompress(type, await compress(most))).equals(most)).toBe(true)
    const more = await compress(Buffer.alloc(MAX_DECOMPRESSED_BYTES + 1))
    await expect(decompress(type, more)).rejects.toThrow(/^(gzip|snappy|lz4|zstd): .*(more than|larger than)/)
  })
})

test('a snappy block is not believed the length it claims', async () => {
  const claims4GiB = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0x00])
  await expect(decompress(Snappy, claims4GiB)).rejects.toThrow('expands to more than it may')
  const claims16MiB = Buffer.from([0x80, 0x80, 0x80, 0x08, 0x00, 0x61])
  await expect(decompress(Snappy, claims16MiB)).rejects.toThrow('less than its length says')
})

test('the blocks of snappy-java are bounded together', async () => {
  const block = Buffer.alloc(MAX_DECOMPRESSED_BYTES / 4)
  const five = inSnappyJavaBlocks(Buffer.concat([block, block, block, block, block]), block.length)
  await expect(decompress(Snappy, five)).rejects.toThrow('expands to more than it may')
})

test('a snappy literal of negative length does not send the reader round in circles', async () => {
  const minusSix = Buffer.from([0x20, 0xfc, 0xf9, 0xff, 0xff, 0xff, 0x00])
  await expect(decompress(Snappy, minusSix)).rejects.toThrow(/^snappy: /)
})

test('an lz4 block may refer to the block before it', async () => {
  const hello = Buffer.from('hello').toString('hex')
  const world = Buffer.from('world').toString('hex')
  const fiveFromFiveBefore = '01' + '0500'
  const frame = `04224d18 40 40 00  05000080 ${hello}  09000000 ${fiveFromFiveBefore} 50 ${world}  00000000`
  const result = await decompress(LZ4, Buffer.from(frame.replaceAll(' ', ''), 'hex'))
  expect(result.toString()).toBe('hellohelloworld')
})

test.each([5, 6, 7])('compression type %i is unknown', async (type) => {
  await expect(decompress(type, Buffer.alloc(8))).rejects.toThrow(`compression type ${type} is unknown`)
})

test('kafkajs itself reads each of them, and writes gzip and zstd', async () => {
  registerCodecs()
  const bytes = Buffer.from('a workflow '.repeat(1_000))
  for (const { type, compress } of COMPRESSORS) {
    const codec = CompressionCodecs[type as typeof GZIP]()
    expect(await codec.decompress(await compress(bytes))).toEqual(bytes)
  }
  for (const type of [GZIP, ZSTD] as const) {
    const codec = CompressionCodecs[type]()
    const compressed = await codec.compress({ buffer: bytes })
    expect(compressed.length).toBeLessThan(bytes.length / 10)
    expect(await codec.decompress(compressed)).toEqual(bytes)
  }
})

describe("what Kafka's own producer compresses is read like plain records", () => {
  const compressions = ['none', 'gzip', 'snappy', 'lz4', 'zstd', 'gzip/9', 'lz4/17', 'zstd/22']
  const values = [
    Buffer.from('{"workflow_name":"restart-pods"}'),
    Buffer.alloc(0),
    randomBytes(100_000),
    Buffer.from(JSON.stringify({ content: 'apiVersion: workflows/v1\n'.repeat(10_000) })),
    ...Array.from({ length: 1_000 }, (_, i) => Buffer.from(`{"version":"1.0.${i}"}`)),
  ]
  let world: World
  let read: Awaited<ReturnType<typeof listen>>
  let compressionsSeen: Set<number>

  beforeAll(async () => {
    registerCodecs()
    mendRecordBatches()
    world = await makeWorld()
    const topic = world.env.REQUEST_TOPIC!
    await asAdmin(world, (admin) =>
      admin.createTopics({ topics: [{ topic, numPartitions: compressions.length }], waitForLeaders: true }),
    )
    await produceInJava(world, topic, values, compressions)
    compressionsSeen = watchFetches()
    read = await listen(world, topic)
    await until('all records', () => read.records.length >= values.length * compressions.length)
  })
  afterAll(async () => {
    await read?.close()
    await world?.close()
  })

  test.each(compressions.map((name, partition) => ({ name, partition })))('$name', ({ partition }) => {
    const records = read.records.filter((record) => record.partition === partition)
    expect(records.map(({ message }) => message.offset)).toEqual(values.map((_, i) => String(i)))
    expect(records.every(({ value }, i) => value?.equals(values[i]!))).toBe(true)
    const headers = { constructor: Buffer.from([1]), nothing: null }
    expect(records.map(({ message }) => message.headers)).toEqual(values.map(() => headers))
  })

  test('each compression really came over the wire', () => {
    expect([...compressionsSeen].sort()).toEqual([0, GZIP, Snappy, LZ4, ZSTD])
  })
})

/** The compressions of the batches that this process fetches from now on, before they are decoded. */
function watchFetches(): Set<number> {
  const seen = new Set<number>()
  const { protocol } = fetches
  fetches.protocol = ({ version }: { version: number }) => {
    const define = protocol({ version })
    return (query: unknown) => {
      const fetch = define(query)
      const decode = async (answer: Buffer) => {
        await decodeFetch(answer, version, async (log) => [seen.add(log.readInt16BE(21) & 7)])
        return fetch.response.decode(answer)
      }
      return { ...fetch, response: { ...fetch.response, decode } }
    }
  }
  return seen
}
