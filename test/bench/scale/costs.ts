import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import path from 'node:path'
import type { Lab } from '../lab.ts'

const TICKS_PER_SECOND = 100

/** How Linux names the processes of each server. */
type ServerName = 'postgres' | 'java'

interface Process {
  pid: number
  parent: number
  name: string
  /** With what its children used that have ended. */
  ticks: number
}

/** Milliseconds of a core that a server of this lab has used since it started, in all its processes. */
export function coreMs(server: ServerName): number {
  const ticks = processesOf(server).reduce((sum, process) => sum + process.ticks, 0)
  return (ticks / TICKS_PER_SECOND) * 1_000
}

/** What the log of a topic takes on the disk of the broker. */
export function logBytes(topic: string): number {
  const files = processesOf('java').flatMap(({ pid }) => {
    const folder = `/proc/${pid}/fd`
    return readdirSync(folder).flatMap((descriptor) =>
      ifThere(() => readlinkSync(path.join(folder, descriptor))),
    )
  })
  const ofTopic = (file: string) =>
    file.endsWith('.log') && /^(.+)-\d+$/.exec(path.basename(path.dirname(file)))?.[1] === topic
  const segments = new Set(files.filter(ofTopic))
  if (segments.size === 0) throw new Error(`${topic} has no log`)
  return [...segments].reduce((sum, file) => sum + statSync(file).size, 0)
}

/** How much PostgreSQL has written ahead since it was made. */
export async function walBytes(lab: Lab): Promise<number> {
  const [row] = await lab.query<{ bytes: number }>(
    `select (pg_current_wal_insert_lsn() - '0/0')::float8 as bytes`,
  )
  return row!.bytes
}

function processesOf(server: ServerName): Process[] {
  const all = new Map(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((pid) => ifThere(() => processOf(Number(pid))))
      .map((process) => [process.pid, process]),
  )
  const isOurs = ({ parent }: Process): boolean => {
    const next = all.get(parent)
    return parent === process.pid || (next !== undefined && isOurs(next))
  }
  return [...all.values()].filter((one) => one.name === server && isOurs(one))
}

function processOf(pid: number): Process {
  const [, name = '', rest = ''] = /\((.*)\) (.*)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
  const fields = rest.split(' ').map(Number)
  return { pid, parent: fields[1]!, name, ticks: fields.slice(11, 15).reduce((sum, ticks) => sum + ticks, 0) }
}

/** Nothing where a process or file is gone by now. */
function ifThere<T>(look: () => T): T[] {
  try {
    return [look()]
  } catch {
    return []
  }
}
