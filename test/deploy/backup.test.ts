import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { expect, inject, onTestFinished, test } from 'vitest'
import { makeBuild } from '../support/build.ts'
import { get, post } from '../support/http.ts'
import { produce } from '../support/kafka.ts'
import { countRecords } from '../support/log-ends.ts'
import { until } from '../support/until.ts'
import { aWorkflow } from '../support/workflows.ts'
import { makeWorld, type World } from '../support/world.ts'
import { POSTGRES_15 } from './debian.ts'
import { startPostgres15 } from './postgres-15.ts'
import { commandsIn } from './runbook.ts'

const execute = promisify(execFile)
/** Everything that came through Kafka, by request id: what the status says of it, but for what is made anew. */
async function outcomes(world: World, ids: readonly string[]): Promise<Map<string, unknown>> {
  const { rows } = await world.owner.query(
    `select request_id, outcome, reason, errors, workflow_name, version, fingerprint::text, idempotency_key, accepted_at
      from registration_request where request_id = any($1) order by request_id`,
    [ids],
  )
  return new Map(rows.map(({ request_id, ...row }) => [request_id, row]))
}

/** What the catalog holds, but for the ids and times of its rows, which are made anew with them. */
async function catalog(world: World, ids: readonly string[]): Promise<unknown[]> {
  const { rows } = await world.owner.query(
    `select to_jsonb(w) - 'workflow_id' - 'created_at' - 'updated_at' as row from workflow w
      where created_by_request = any($1) order by created_by_request`,
    [ids],
  )
  return rows
}

test('a database that is dumped, wiped and restored as the runbook says catches up from the topic by itself', async () => {
  const build = await makeBuild()
  const server = await startPostgres15()
  onTestFinished(() => server.close())
  const world = await makeWorld({ ...inject('servers'), postgresUrl: server.url })
  onTestFinished(() => world.close())
  const { MIGRATE_DATABASE_URL: _, ...env } = world.env
  const toolPath = [POSTGRES_15, path.dirname(process.execPath), '/usr/bin', '/bin'].join(':')
  const shell = async (commands: string) => {
    const options = { cwd: build.folder, env: { ...world.env, PATH: toolPath } }
    const { stdout } = await execute('sh', ['-euc', commands], options)
    return stdout
  }
  const start = (name: 'ingress' | 'worker') => build.start(name, env)
  const [dump, ...restore] = commandsIn('Backup and restore')
  const settled = () =>
    until('all of it settled', async () => {
      const all = await countRecords(world, world.env.REQUEST_TOPIC!)
      const { rows } = await world.owner.query('select sum(next_offset)::int as sum from consumer_progress')
      return rows[0].sum === all
    })

  await shell('node dist/migrate.js')
  const first = await Promise.all([start('ingress'), start('worker')])
  const api = `${first[0].url}/api/v1`
  const register = async (half: string) => {
    const sync = await post(`${api}/workflows`, aWorkflow({ workflow_name: `sync-${half}` }))
    expect(sync.status).toBe(201)
    const accepted = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        post(
          `${api}/workflow-requests`,
          aWorkflow({ workflow_name: `async-${half}-${index % 30}`, name: `${index}` }),
        ),
      ),
    )
    const raw = Array.from({ length: 60 }, (_, index) => ({
      key: `raw-${half}-${index % 40}`,
      value: JSON.stringify(
        aWorkflow({ workflow_name: `raw-${half}-${index % 40}`, ...(index === 7 && { version: 'v7' }) }),
      ),
      headers: { 'request-id': randomUUID() },
    }))
    await produce(world, raw)
    return [
      ...accepted.map(({ body }) => String(body.request_id)),
      ...raw.map(({ headers }) => headers['request-id']),
    ]
  }
  const before = await register('before')
  await settled()
  let dumping = true
  const dumped = shell(dump!).finally(() => {
    dumping = false
  })
  const during: string[] = []
  for (let round = 1; dumping; round += 1) during.push(...(await register(`during-${round}`)))
  await dumped
  const after = await register('after')
  await settled()
  for (const process of first) process.kill('SIGTERM')
  for (const process of first) expect(await process.exited).toEqual({ code: 0, signal: null })
  const ids = [...before, ...during, ...after]
  const known = [await outcomes(world, ids), await catalog(world, ids)]
  expect(during).not.toEqual([])
  expect(known[0]).toHaveLength(ids.length)

  const admin = new pg.Client({ connectionString: server.url })
  await admin.connect()
  const { pathname, username } = new URL(env.DATABASE_URL!)
  await admin.query(`drop database ${pathname.slice(1)} with (force)`)
  await admin.query(`drop role ${username}`) // as on another server, which never knew it
  await admin.query(`create database ${pathname.slice(1)}`)
  await admin.end()
  for (const commands of restore.slice(0, -1)) await shell(commands)
  expect(await outcomes(world, [...before, ...after])).toHaveLength(100)

  const second = await Promise.all([start('ingress'), start('worker')])
  await settled()
  expect([await outcomes(world, ids), await catalog(world, ids)]).toEqual(known)
  const says = await shell(restore.at(-1)!)
  expect(says).toMatch(/^different +0 /m)
  expect(says).not.toMatch(/waiting/)
  const names = ['sync-before', 'sync-after'].map(async (name) => {
    const { body } = await get(`${second[0].url}/api/v1/workflows?workflow_name=${name}`)
    return body.items.length
  })
  expect(await Promise.all(names), 'what came in at the synchronous door after the dump is lost').toEqual([
    1, 0,
  ])
})
