import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { newClusterId } from '../../src/embedded/kafka.ts'
import { type PairOptions, startPair } from '../../src/embedded/pair.ts'
import { freePort } from '../../src/embedded/ports.ts'
import { StartFailure } from '../../src/embedded/start-failure.ts'
import { temporaryFolder } from './temporary-folder.ts'

test('the id of a new cluster is never taken for an option', () => {
  const ids = Array.from({ length: 2_000 }, () => newClusterId())
  expect(ids.filter((id) => !/^[A-Za-z0-9_][A-Za-z0-9_-]{21}$/.test(id))).toEqual([])
})

describe('the embedded pair', () => {
  test('what it holds survives kill -9 of us, then stop and start, then kill -9 of each server', async () => {
    const dataDir = await temporaryFolder()
    const holder = await holdPair(dataDir)
    await addRow(holder.ownerUrl, 'first')
    await addMessage(holder.brokers, 'first')
    holder.process.kill('SIGKILL')
    await once(holder.process, 'exit')

    const pair = await privatePair(dataDir)
    expect(holder.pids.filter(runs)).toEqual([])
    const { postgres, kafka } = pair
    expect(await rows(postgres.ownerUrl)).toEqual(['first'])
    expect(await messages(kafka.brokers)).toEqual(['first'])

    await Promise.all([postgres.stop(), kafka.stop()])
    await expect(rows(postgres.ownerUrl)).rejects.toThrow('ECONNREFUSED')
    await Promise.all([postgres.start(), kafka.start()])
    await addRow(postgres.ownerUrl, 'second')
    await addMessage(kafka.brokers, 'second')

    await Promise.all([postgres.kill(), kafka.kill()])
    await Promise.all([postgres.start(), kafka.start()])
    expect(await rows(postgres.ownerUrl)).toEqual(['first', 'second'])
    expect(await messages(kafka.brokers)).toEqual(['first', 'second'])

    const pids = [postgres.pid()!, kafka.pid()!]
    await pair.stop()
    expect(pids.filter(runs)).toEqual([])
  })

  test('both servers stop by themselves when our process is killed', async () => {
    const holder = await holdPair(await temporaryFolder())
    expect(holder.pids.filter(runs)).toEqual(holder.pids)
    holder.process.kill('SIGKILL')
    await expect.poll(() => holder.pids.filter(runs), { timeout: 10_000, interval: 50 }).toEqual([])
  })

  test('a second instance is refused by the pid of the first, whose death of a server is told', async () => {
    const dataDir = await temporaryFolder()
    const told: string[] = []
    const pair = await privatePair(dataDir, { onExit: (sentence) => told.push(sentence) })
    await expect(privatePair(dataDir)).rejects.toThrow(
      new StartFailure(
        `The data folder ${dataDir} is in use by the running process ${process.pid}: stop that one, or choose another folder with DATA_DIR.`,
      ),
    )
    const passwords = join(dataDir, 'passwords.json')
    expect(statSync(passwords).mode & 0o777).toBe(0o600)

    process.kill(pair.postgres.pid()!, 'SIGKILL')
    const log = join(dataDir, 'postgres.log')
    await expect.poll(() => told).toEqual([`PostgreSQL 18 ended unexpectedly (SIGKILL); its log is ${log}`])
    expect(pair.postgres.pid()).toBeUndefined()
    await pair.postgres.start()
    await pair.stop()
    expect(told).toHaveLength(1)
  })

  test("when Kafka's port is taken neither server is left running, and the folder is free again", async () => {
    const dataDir = await temporaryFolder()
    const kafkaPort = await freePort()
    const squatter = createServer().listen(kafkaPort, '127.0.0.1')
    onTestFinished(() => void squatter.close())
    await once(squatter, 'listening')
    const complaint = new StartFailure(
      `Kafka 4.1.1 cannot listen on 127.0.0.1:${kafkaPort}, another process is using that port: free it, or choose another port with EMBEDDED_KAFKA_PORT.`,
    )
    await expect(privatePair(dataDir, { kafkaPort })).rejects.toThrow(complaint)
    await expect(privatePair(dataDir, { kafkaPort })).rejects.toThrow(complaint)
    expect(existsSync(join(dataDir, 'postgres', 'postmaster.pid'))).toBe(false)
  })

  test("PostgreSQL's taken port is told with the variable that moves it", async () => {
    const postgresPort = await freePort()
    const squatter = createServer().listen(postgresPort, '127.0.0.1')
    onTestFinished(() => void squatter.close())
    await once(squatter, 'listening')
    await expect(privatePair(await temporaryFolder(), { postgresPort })).rejects.toThrow(
      `PostgreSQL 18 cannot listen on 127.0.0.1:${postgresPort}, another process is using that port: free it, or choose another port with EMBEDDED_POSTGRES_PORT.`,
    )
  })

  test('a start that is aborted rejects with the reason and leaves nothing running', async () => {
    const dataDir = await temporaryFolder()
    const abort = new AbortController()
    const reason = new Error('Ctrl-C')
    const starting = privatePair(dataDir, {
      signal: abort.signal,
      say: (line) => line.startsWith('PostgreSQL 18: ready') && abort.abort(reason),
    })
    await expect(starting).rejects.toBe(reason)
    for (const name of ['postgres.pid', 'kafka.pid']) {
      const file = join(dataDir, name)
      expect(existsSync(file) && runs(Number.parseInt(readFileSync(file, 'utf8'), 10))).toBe(false)
    }
  })

  test('a folder that cannot be made is told in one sentence', async () => {
    await expect(privatePair('/dev/null/data')).rejects.toThrow(
      'The data folder /dev/null/data cannot be written (ENOTDIR): make it writable for this user, or choose another with DATA_DIR.',
    )
  })

  test('a server that dies while starting is told with its log and its last complaint', async () => {
    const dataDir = await temporaryFolder()
    const pair = await privatePair(dataDir)
    await pair.postgres.stop()
    await expect(pair.postgres.start(AbortSignal.abort(new Error('given up')))).rejects.toThrow('given up')
    await writeFile(join(dataDir, 'postgres', 'PG_VERSION'), '17\n')
    await expect(pair.postgres.start()).rejects.toThrow(
      /^PostgreSQL 18 ended during its start \(exit code \d\), see .*postgres\.log: .*FATAL: .*incompatible/,
    )
  })
})

async function privatePair(dataDir: string, options: Partial<PairOptions> = {}) {
  const pair = await startPair({
    dataDir,
    postgresPort: 0,
    kafkaPort: 0,
    say: () => {},
    durable: false,
    ...options,
  })
  onTestFinished(() => pair.stop())
  return pair
}

type Held = { process: ChildProcess; ownerUrl: string; brokers: string[]; pids: number[] }

async function holdPair(dataDir: string): Promise<Held> {
  const script = join(import.meta.dirname, 'hold-pair.ts')
  const holder = fork(script, [dataDir], { execArgv: [] })
  onTestFinished(() => void holder.kill('SIGKILL'))
  const [held] = await once(holder, 'message')
  return { process: holder, ...held }
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

async function query(url: string, text: string, values: unknown[] = []) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await client.query(text, values)
  } finally {
    await client.end()
  }
}

async function addRow(url: string, word: string) {
  await query(url, 'create table if not exists kept (word text)')
  await query(url, 'insert into kept values ($1)', [word])
}

async function rows(url: string): Promise<string[]> {
  return (await query(url, 'select word from kept')).rows.map(({ word }) => word)
}

const client = (brokers: string[]) => new Kafka({ brokers, logLevel: logLevel.NOTHING })

async function addMessage(brokers: string[], value: string) {
  const admin = client(brokers).admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 1 }] })
  await admin.disconnect()
  const producer = client(brokers).producer()
  await producer.connect()
  await producer.send({ topic: 'kept', acks: -1, messages: [{ value }] })
  await producer.disconnect()
}

async function messages(brokers: string[]): Promise<string[]> {
  const admin = client(brokers).admin()
  await admin.connect()
  const [partition] = await admin.fetchTopicOffsets('kept')
  await admin.disconnect()
  const found: string[] = []
  const consumer = client(brokers).consumer({ groupId: `reader-${Date.now()}` })
  await consumer.connect()
  await consumer.subscribe({ topic: 'kept', fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => void found.push(String(message.value)) })
  while (found.length < Number(partition!.high)) await sleep(20)
  await consumer.disconnect()
  return found
}
