import { once } from 'node:events'
import net from 'node:net'
import { expect, test } from 'vitest'
import { within } from '../../src/within.ts'
import { get } from '../support/http.ts'
import { makeWorld, startApp } from '../support/world.ts'

test('neither a silent nor an idle connection holds up the end of the service', async () => {
  const world = await makeWorld()
  const app = await startApp(world, { roles: ['ingress'] })
  const { hostname, port } = new URL(app.url)
  const silent = net.connect(Number(port), hostname)
  await once(silent, 'connect')
  expect((await get(`${app.url}/health/live`)).status).toBe(200) // leaves a kept-alive connection
  await within(15_000, app.close())
  await world.close()
  expect(silent.destroyed || (await once(silent, 'close'))).toBeTruthy()
})
