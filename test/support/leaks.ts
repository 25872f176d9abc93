/** In whatever the tests send or log in with: what must be found nowhere that it was not sent to. */
export const CANARY = 'canary-7c1d04be'

/** Where operators and callers look. */
export type Surface = 'log' | 'metrics' | 'trace' | 'problem'

const counts: Record<Surface, number> = { log: 0, metrics: 0, trace: 0, problem: 0 }
const hits: string[] = []

/** Looks for the canary in something that an operator or a caller gets to see. */
export function inspect(surface: Surface, text: string): void {
  counts[surface] += 1
  const found = text.indexOf(CANARY)
  if (found !== -1) hits.push(`${surface}: ${text.slice(Math.max(0, found - 300), found + 100)}`)
}

/** The same with a log of many lines. */
export function inspectLog(text: string): void {
  for (const line of text.split('\n')) inspect('log', line)
}

/** Looks into whatever problem is in an answer. */
export function inspectProblems(status: number, body: unknown): void {
  if (status >= 400) inspect('problem', JSON.stringify(body ?? ''))
  for (const problem of problemsIn(body)) inspect('problem', JSON.stringify(problem))
}

function problemsIn(body: unknown): unknown[] {
  if (typeof body !== 'object' || body === null) return []
  const { problem, results } = body as { problem?: unknown; results?: unknown }
  return [problem ?? [], ...(Array.isArray(results) ? results.map(problemsIn) : [])].flat()
}

/** Where the canary was found since it was last asked. */
export function leaks(): string[] {
  return hits.splice(0)
}

/** How many texts were looked into. */
export function inspected(): Readonly<Record<Surface, number>> {
  return { ...counts }
}
