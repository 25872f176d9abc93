import type { FastifyReply, FastifyRequest } from 'fastify'
import type { MakeProblem } from '../domain/problem.ts'
import { formatCursor, parseCursor } from './cursor.ts'
import { HttpProblem } from './problems.ts'

/** The body of a page, and its `Link`: the next page keeps the query, whatever it filters by. */
export function pageOf<Item>(
  { request, reply }: { request: FastifyRequest; reply: FastifyReply },
  { items, isLast, href, keysOf }: Page<Item>,
): { items: readonly Item[]; next: string | null } {
  const last = items.at(-1)
  if (isLast || last === undefined) return { items, next: null }
  const next = formatCursor(keysOf(last))
  const query = new URLSearchParams({ ...(request.query as Record<string, string>), cursor: next })
  reply.header('link', `<${href}?${query}>; rel="next"`)
  return { items, next }
}

export interface Page<Item> {
  items: readonly Item[]
  /** Whether nothing comes after these. */
  isLast: boolean
  /** The list's URL without its query. */
  href: string
  /** What the list is sorted by, of one item. */
  keysOf: (item: Item) => string[]
}

/** The sort keys in a `cursor`, undefined without one. Throws the problem when they are not all what `areKeys` says. */
export function placeIn(
  cursor: string | undefined,
  areKeys: readonly ((key: string) => boolean)[],
  makeProblem: MakeProblem,
): string[] | undefined {
  if (cursor === undefined) return undefined
  const keys = parseCursor(cursor, areKeys.length)
  if (keys && areKeys.every((isKey, n) => isKey(keys[n] ?? ''))) return keys
  const detail = 'the parameter cursor is not one that this service gave out'
  throw new HttpProblem(makeProblem('validation-error', detail, { errors: [{ pointer: '', detail }] }))
}
