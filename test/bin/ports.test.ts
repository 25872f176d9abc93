import { type AddressInfo, createServer } from 'node:net'
import { onTestFinished, test } from 'vitest'
import { expectSentence, failingStart } from '../support/failing-start.ts'
import { makeWorld } from '../support/world.ts'

async function aWorld() {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  return world
}

test('a port that is taken is one sentence, which names its variable', async () => {
  const { env } = await aWorld()
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void other.close())
  const { port } = other.address() as AddressInfo
  expectSentence(
    await failingStart('ingress', { ...env, PORT: String(port) }),
    new RegExp(`^Port ${port} on 127.0.0.1 is in use: set PORT to another one$`),
  )
})

test('an address that is not of this machine is one sentence, which names HOST and no port', async () => {
  const { env } = await aWorld()
  expectSentence(
    await failingStart('worker', { ...env, HOST: '203.0.113.9' }),
    /^Cannot listen on 203\.0\.113\.9 \(EADDRNOTAVAIL\): set HOST to an address of this machine$/,
  )
})
