import { expect, inject, test } from 'vitest'
import { listed } from '../support/containers/docker.ts'
import { LABEL, RUN } from '../support/containers/leftovers.ts'

test.each([
  ['PostgreSQL', () => new URL(inject('servers').postgresUrl).port],
  ['Kafka', () => inject('servers').kafkaBrokers[0]!.split(':')[1]!],
])('the %s of this run is a container', async (_, port) => {
  const ours = ['--filter', `label=${LABEL}=${RUN}`, '--filter', `publish=${port()}`]
  expect(await listed('ps', '--quiet', ...ours)).toHaveLength(1)
})
