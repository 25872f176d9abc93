import { onTestFinished } from 'vitest'
import { startTcpProxy } from './tcp-proxy.ts'
import { makeWorld, startApp } from './world.ts'

/** An ingress that reaches its database through a proxy, which a test may break; all gone when the test is over. */
export async function ingressBehindProxy() {
  const world = await makeWorld()
  const url = new URL(world.infrastructure.databaseUrl)
  const proxy = await startTcpProxy(url.href)
  url.hostname = '127.0.0.1'
  url.port = String(proxy.port)
  const infrastructure = { ...world.infrastructure, databaseUrl: url.href }
  const app = await startApp({ ...world, infrastructure }, { roles: ['ingress'] })
  onTestFinished(async () => {
    await app.close()
    await proxy.close()
    await world.close()
  })
  return { world, proxy, app }
}
