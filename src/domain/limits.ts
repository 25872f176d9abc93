import type { FieldError } from './problem.ts'

/** What no request may exceed, at any door. */
export const LIMITS = {
  bytes: 512 * 1024,
  depth: 64,
  nodes: 10_000,
} as const

/**
 * What PostgreSQL or JSON cannot carry exactly, found before any schema looks at the value: NUL and ill-formed
 * UTF-16 in texts and names, numbers that lose digits, too deep, too many. At most the first 100, in document order.
 *
 * Iterative, because what `JSON.parse` accepts can be deeper than the stack of anything that recurses.
 */
export function limitErrors(root: unknown): FieldError[] {
  const errors: FieldError[] = []
  const open: Node[] = [{ value: root, pointer: '', depth: 1, nameFault: undefined }]
  let nodes = 0
  while (open.length > 0 && errors.length < 100) {
    const { value, pointer, depth, nameFault } = open.pop()!
    nodes += 1
    if (nodes > LIMITS.nodes) return [{ pointer: '', detail: `has more than ${LIMITS.nodes} values` }]
    if (nameFault) {
      errors.push({ pointer, detail: `a field's name: ${nameFault}` })
    } else if (typeof value === 'string') {
      const detail = textFault(value)
      if (detail) errors.push({ pointer, detail })
    } else if (typeof value === 'number') {
      if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)))
        errors.push({ pointer, detail: 'is a number that JSON cannot carry exactly: send it as a string' })
    } else if (typeof value === 'object' && value !== null) {
      if (depth > LIMITS.depth)
        return [{ pointer: '', detail: `is nested deeper than ${LIMITS.depth} levels` }]
      const children = Object.entries(value)
      if (nodes + open.length + children.length > LIMITS.nodes)
        return [{ pointer: '', detail: `has more than ${LIMITS.nodes} values` }]
      for (const [name, child] of children.reverse())
        open.push({
          value: child,
          pointer: pointerTo(pointer, name),
          depth: depth + 1,
          nameFault: name === '__proto__' ? 'is a name that is not allowed' : textFault(name),
        })
    }
  }
  return errors
}

interface Node {
  value: unknown
  pointer: string
  depth: number
  /** What is wrong with the name it stands under; its value is then not looked at. */
  nameFault: string | undefined
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
