import type { Admin } from 'kafkajs'
import { expect, test } from 'vitest'
import { readCommitted } from '../../src/kafka/log-offsets.ts'

test('what is no offset was never committed', async () => {
  const partitions = ['-1', '0', '-2', '9007199254740993'].map((offset, partition) => ({
    ...{ partition, offset, metadata: null },
  }))
  const admin = { fetchOffsets: async () => [{ topic: 'requests', partitions }] } as unknown as Admin
  expect(await readCommitted(admin, 'group', 'requests')).toEqual(
    new Map([
      [1, 0n],
      [3, 9_007_199_254_740_993n],
    ]),
  )
})
