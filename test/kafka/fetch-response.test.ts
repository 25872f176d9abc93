import Decoder from 'kafkajs/src/protocol/decoder.js'
import Encoder from 'kafkajs/src/protocol/encoder.js'
import record from 'kafkajs/src/protocol/recordBatch/record/v0/index.js'
import readBatch from 'kafkajs/src/protocol/recordBatch/v0/decoder.js'
import recordBatch from 'kafkajs/src/protocol/recordBatch/v0/index.js'
import fetches from 'kafkajs/src/protocol/requests/fetch/index.js'
import { expect, test } from 'vitest'
import { decodeFetch } from '../../src/kafka/fetch-response.ts'

const readRecords = async (log: Buffer) => (await readBatch(new Decoder(log))).records

/** An answer of that version, with a batch of one record in one partition and nothing in another. */
async function answerOf(version: number): Promise<Buffer> {
  const batch = await recordBatch.RecordBatch({ firstOffset: 7, records: [record({ value: 'a value' })] })
  const partition = (number: number, log: Buffer) => {
    const encoder = new Encoder().writeInt32(number).writeInt16(0).writeInt64(41).writeInt64(40)
    if (version >= 5) encoder.writeInt64(3)
    encoder.writeArray([new Encoder().writeInt64(1234).writeInt64(5)])
    if (version >= 11) encoder.writeInt32(2)
    return encoder.writeInt32(log.length).writeBuffer(log)
  }
  const answer = new Encoder().writeInt32(250)
  if (version >= 7) answer.writeInt16(0).writeInt32(99)
  return answer.writeArray([
    new Encoder()
      .writeString('a topic')
      .writeArray([partition(0, batch.buffer), partition(1, Buffer.alloc(0))]),
  ]).buffer
}

test.each([4, 5, 6, 7, 8, 9, 10, 11])(
  'version %i of an answer is read as kafkajs reads it',
  async (version) => {
    const { response } = fetches.protocol({ version })({ topics: [] })
    const answer = await answerOf(version)
    const theirs = await response.decode(answer)
    expect(theirs).toMatchObject({
      responses: [{ topicName: 'a topic', partitions: [{ messages: [{ offset: '7' }] }, { messages: [] }] }],
    })
    expect(await decodeFetch(answer, version, readRecords)).toEqual(theirs)
  },
)
