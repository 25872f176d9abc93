import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '../../src/embedded/ports.ts'
import { startProcess } from '../support/process.ts'
import { runScript } from '../support/tool.ts'
import { makeWorld } from '../support/world.ts'

const SCRIPT = path.join(import.meta.dirname, '../../src/bin/health.ts')
const health = (env: Record<string, string>, ...args: string[]) => runScript([SCRIPT, ...args], { env })

test('a process that is well is well, also where it listens on all addresses', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const { url } = await startProcess('ingress', world)
  const { port } = new URL(url)
  for (const env of [{ PORT: port }, { PORT: port, HOST: '0.0.0.0' }])
    expect(await health(env, 'live')).toEqual({ code: 0, stdout: '{"status":"live"}\n', stderr: '' })
})

test('a process that cannot do its job is live and not ready, and the reason is told', async () => {
  const world = await makeWorld()
  onTestFinished(() => world.close())
  const { url } = await startProcess('worker', world)
  const env = { PORT: new URL(url).port }
  const role = new URL(world.env.DATABASE_URL!).username
  await world.owner.query(`alter role ${role} nologin`)
  await world.owner.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [role])
  expect(await health(env, 'live')).toMatchObject({ code: 0 })
  const unready = await health(env)
  expect(unready).toMatchObject({ code: 1, stderr: '' })
  expect(JSON.parse(unready.stdout)).toMatchObject({ status: 503, detail: expect.stringMatching(/\S/) })
})

test.each([
  ['nothing listens', ['ready'], /^http:\/\/127\.0\.0\.1:\d+\/health\/ready does not answer\n$/],
  ['it is asked for something else', ['well'], /^It is live or ready, not well\n$/],
  ['it is told an option that it does not have', ['--loud'], /^Unknown option '--loud'/],
])('it fails with a sentence where %s', async (_, args, sentence) => {
  const told = await health({ PORT: String(await freePort()) }, ...args)
  expect(told).toMatchObject({ code: 1, stdout: '' })
  expect(told.stderr).toMatch(sentence)
})
