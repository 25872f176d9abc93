/** What `node --cpu-prof` writes, as far as it is read here. Times are µs. */
interface CpuProfile {
  nodes: readonly { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[]
  /** Which node each sample found, and how long after the one before. */
  samples: readonly number[]
  timeDeltas: readonly number[]
}

const IDLE = '(idle)'
const LINES = 30

/** Where the time of a process went, by function and without what that called: the shares of the time that it was busy. */
export function selfTimes(text: string): string {
  const { nodes, samples, timeDeltas }: CpuProfile = JSON.parse(text)
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
  const spent = new Map<string, number>()
  for (const [index, id] of samples.entries()) {
    const name = names.get(id)!
    spent.set(name, (spent.get(name) ?? 0) + timeDeltas[index]!)
  }
  const idle = spent.get(IDLE) ?? 0
  spent.delete(IDLE)
  const busy = [...spent.values()].reduce((sum, time) => sum + time, 0)
  const share = (time: number) => `${((100 * time) / busy).toFixed(1).padStart(5)} %`
  const most = [...spent].sort(([, one], [, other]) => other - one).slice(0, LINES)
  return [
    `busy ${Math.round(busy / 1_000)} ms, idle ${Math.round(idle / 1_000)} ms; of the time it was busy:`,
    ...most.map(([name, time]) => `${share(time)}  ${name}`),
  ].join('\n')
}

function nameOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const file = url.split('/').at(-1)
  return file ? `${functionName || 'anonymous'} (${file}:${lineNumber + 1})` : functionName
}
