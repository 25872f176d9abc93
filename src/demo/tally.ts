import { OUTCOMES, type Outcome } from '../domain/outcome.ts'
import type { DemoRequest, Door, Ending } from './doors.ts'

/** A request that a pass has sent, and what came of it. */
export interface Sent {
  request: DemoRequest
  door: Door
  ending: Ending | undefined
  /** Why it got no outcome, where it was not the time that ran out. */
  trouble: string | undefined
  /** From its sending to its outcome. */
  ms: number
}

export type Counts = Record<Outcome, number>

export interface DoorTally {
  door: string
  counts: Counts
  /** How long each outcome took, in ms, ascending. */
  timesMs: number[]
}

/** What came of the requests of one pass. */
export interface PassTally {
  doors: DoorTally[]
  all: DoorTally
  expected: Counts
  requests: number
  /** How many different workflows the requests were for, and how many of those were there before. */
  workflows: number
  alreadyThere: number
  /** Of the conflicts, how many asked for exactly what the catalog has. */
  identical: number
  /** A line for each request that got no outcome: what it asked for, and where. */
  withoutOutcome: string[]
}

/** What should come of the requests: one `created` for each workflow that was not `there` before, else `conflict`. */
export function tallyPass(
  sent: readonly Sent[],
  doors: readonly Door[],
  there: ReadonlySet<string>,
): PassTally {
  const workflows = new Set(sent.map(({ request }) => request.workflow)).size
  const created = workflows - there.size
  return {
    doors: doors.map((door) =>
      tallyDoor(
        door.name,
        sent.filter((one) => one.door === door),
      ),
    ),
    all: tallyDoor('all', sent),
    expected: { created, conflict: sent.length - created, rejected: 0, failed: 0 },
    requests: sent.length,
    workflows,
    alreadyThere: there.size,
    identical: sent.filter(({ ending }) => ending?.problem?.content === 'identical').length,
    withoutOutcome: sent
      .filter(({ ending }) => !ending)
      .map(
        ({ request, door, trouble }) =>
          `${request.workflow} (${[door.name, trouble].filter(Boolean).join(': ')})`,
      ),
  }
}

/** The workflows for which every request met one that was made before the demo began. */
export function alreadyThere(sent: readonly Sent[], beganAt: Date): Set<string> {
  const there = new Set<string>()
  for (const [workflow, rivals] of Map.groupBy(sent, ({ request }) => request.workflow)) {
    const older = ({ ending }: Sent) => {
      const existing = ending?.problem?.existing
      return existing !== undefined && new Date(existing.created_at) < beganAt
    }
    if (rivals.every(older)) there.add(workflow)
  }
  return there
}

function tallyDoor(door: string, sent: readonly Sent[]): DoorTally {
  const ended = sent.filter(({ ending }) => ending)
  const count = (outcome: Outcome) => ended.filter(({ ending }) => ending?.outcome === outcome).length
  return {
    door,
    counts: Object.fromEntries(OUTCOMES.map((outcome) => [outcome, count(outcome)])) as Counts,
    timesMs: ended.map(({ ms }) => ms).sort((a, b) => a - b),
  }
}
