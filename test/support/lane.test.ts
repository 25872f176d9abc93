import { expect, test } from 'vitest'
import { lane } from './lane.ts'

const urls = { TEST_DATABASE_URL: 'postgresql://one@127.0.0.1/one', TEST_KAFKA_BROKERS: '127.0.0.1:9092' }

test.each([
  ['the servers are to be of a kind that there is not', { TEST_SERVERS: 'container' }, 'not container'],
  ['one of the two URLs is missing', { ...urls, TEST_KAFKA_BROKERS: '' }, 'one of them is missing'],
  ['containers are asked for beside URLs', { ...urls, TEST_SERVERS: 'containers' }, 'starts servers'],
])('there is no lane where %s', async (_, env, sentence) => {
  await expect(lane(env)).rejects.toThrow(sentence)
})

test('what stops its servers cannot run on those that run elsewhere', async () => {
  const { startShared, startOwn } = await lane(urls)
  const { servers } = await startShared({})
  expect(servers).toEqual({ postgresUrl: urls.TEST_DATABASE_URL, kafkaBrokers: ['127.0.0.1:9092'] })
  await expect(startOwn({})).rejects.toThrow('run elsewhere')
})
