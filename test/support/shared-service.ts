import { afterAll, beforeAll } from 'vitest'
import { makeWorld, startApp, type TestApp, type World } from './world.ts'

/** One service in a world of its own for all tests of a file. Its parts are there once the first test runs. */
export function sharedService(options?: Parameters<typeof startApp>[1]): World & TestApp {
  const service = {} as World & TestApp
  beforeAll(async () => {
    const world = await makeWorld()
    Object.assign(service, world)
    const app = await startApp(world, options)
    Object.assign(service, app, {
      async close() {
        await app.close()
        await world.close()
      },
    })
  })
  afterAll(() => service.close?.())
  return service
}
