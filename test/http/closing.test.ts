import { once } from 'node:events'
import net from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
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

test('a connection that sends no HTTP is let go, even if it never closes its own half', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const app = await startApp(world, { roles: ['ingress'] })
  onTestFinished(() => app.close())
  const { hostname, port } = new URL(app.url)
  const socket = net.connect({ port: Number(port), host: hostname, allowHalfOpen: true })
  const lost = once(socket, 'error')
  socket.write('garbage\r\n\r\n')
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk
  })
  await once(socket, 'end')
  expect(answer).toContain('application/problem+json')
  const writing = setInterval(() => socket.write('x'), 20) // into a connection that the service keeps, this goes well
  await within(5_000, lost)
  clearInterval(writing)
})
