import type { FieldError } from './problem.ts'

/** What no request may exceed, at any door. */
export const LIMITS = {
  bytes: 512 * 1024,
  depth: 64,
  nodes: 10_000,
} as const

/** Of all that is long in one page of a list. */
export const PAGE_BYTES = 8 * 1024 * 1024

/** What is registered together at most: the rows of one statement. */
export const CHUNK_LIMITS = {
  requests: 500,
  bytes: 4 * 1024 * 1024,
} as const

/**
 * What PostgreSQL or JSON cannot carry exactly, found before any schema looks at the value: NUL and ill-formed
 * UTF-16 in texts and names, numbers that lose digits, too deep, too many. At most the first 100, in document order.
 *
 * Iterative, because what `JSON.parse` accepts can be deeper than the stack of anything that recurses.
 */
export function limitErrors(root: unknown): FieldError[] {
  const errors: FieldError[] = []
  const open: Node[] = [{ value: root, name: '', parent: undefined, depth: 1 }]
  let nodes = 0
  while (open.length > 0 && errors.length < 100) {
    const node = open.pop()!
    const { value, depth } = node
    nodes += 1
    if (nodes > LIMITS.nodes) return [TOO_MANY]
    const nameFault = node.name === '__proto__' ? 'is a name that is not allowed' : textFault(node.name)
    if (nameFault) {
      errors.push({ pointer: pointerOf(node), detail: `a field's name: ${nameFault}` }) // its value is not looked at
    } else if (typeof value === 'string') {
      const detail = textFault(value)
      if (detail) errors.push({ pointer: pointerOf(node), detail })
    } else if (typeof value === 'number') {
      if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)))
        errors.push({
          pointer: pointerOf(node),
          detail: 'is a number that JSON cannot carry exactly: send it as a string',
        })
    } else if (typeof value === 'object' && value !== null) {
      if (depth > LIMITS.depth)
        return [{ pointer: '', detail: `is nested deeper than ${LIMITS.depth} levels` }]
      const width = Array.isArray(value) ? value.length : Object.keys(value).length
      if (nodes + open.length + width > LIMITS.nodes) return [TOO_MANY]
      const names = Object.keys(value)
      for (let n = names.length - 1; n >= 0; n -= 1) {
        const name = names[n]!
        open.push({ value: (value as Record<string, unknown>)[name], name, parent: node, depth: depth + 1 })
      }
    }
  }
  return errors
}

const TOO_MANY: FieldError = { pointer: '', detail: `has more than ${LIMITS.nodes} values` }

interface Node {
  value: unknown
  /** What it stands under; the root has no parent. */
  name: string
  parent: Node | undefined
  depth: number
}

function pointerOf({ name, parent }: Node): string {
  return parent ? pointerTo(pointerOf(parent), name) : ''
}

function textFault(text: string): string | undefined {
  if (text.includes('\0')) return 'contains a NUL character'
  if (!text.isWellFormed()) return 'contains half of a surrogate pair'
  return undefined
}

/** `parent` with one more reference token (RFC 6901), well-formed and of bounded length even for a hostile name. */
export function pointerTo(parent: string, name: string | number): string {
  if (parent.length > 1_000) return parent.endsWith('/…') ? parent : `${parent}/…`
  const token = String(name).slice(0, 200).replaceAll('\0', '�').toWellFormed()
  return `${parent}/${token.replaceAll('~', '~0').replaceAll('/', '~1')}`
}
