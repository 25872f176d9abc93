/**
 * How PostgreSQL takes an array in its binary form: neither side escapes, quotes or scans the text in it, which for a
 * batch costs more than storing it. pg sends a Buffer as it is, marked as binary. (PostgreSQL's `array_recv`.)
 */
interface ElementType {
  /** That of the catalog `pg_type`, the same in every database. */
  oid: number
  /** How many bytes an element takes. */
  sizeOf(element: string): number
  /** Writes it at `start`. */
  write(element: string, into: Buffer, start: number): void
}

const text: ElementType = {
  oid: 25,
  sizeOf: (element) => Buffer.byteLength(element),
  write: (element, into, start) => into.write(element, start, 'utf8'),
}

const jsonb: ElementType = {
  oid: 3802,
  sizeOf: (element) => 1 + Buffer.byteLength(element),
  write(element, into, start) {
    into[start] = 1 // the version of the form
    into.write(element, start + 1, 'utf8')
  },
}

/** Text in hex, as the domain has its hashes. */
const bytea: ElementType = {
  oid: 17,
  sizeOf: (element) => element.length / 2,
  write: (element, into, start) => into.write(element, start, 'hex'),
}

const uuid: ElementType = {
  oid: 2950,
  sizeOf: () => 16,
  write: (element, into, start) => into.write(element.replaceAll('-', ''), start, 'hex'),
}

const TYPES = { text, jsonb, bytea, uuid }

/** A type that arrays are made of. */
export type ArrayType = keyof typeof TYPES

const HEADER_BYTES = 20
const NULL_SIZE = -1

/** An array of one dimension, as a parameter to be cast to `<type>[]`. */
export function binaryArray(type: ArrayType, elements: readonly (string | null)[]): Buffer {
  const { oid, sizeOf, write } = TYPES[type]
  let bytes = HEADER_BYTES
  const sizes = elements.map((element) => {
    const size = element === null ? NULL_SIZE : sizeOf(element)
    bytes += 4 + Math.max(size, 0)
    return size
  })
  const array = Buffer.allocUnsafe(bytes)
  array.writeInt32BE(1, 0) // dimensions
  array.writeInt32BE(1, 4) // there may be nulls
  array.writeInt32BE(oid, 8)
  array.writeInt32BE(elements.length, 12)
  array.writeInt32BE(1, 16) // the index of the first
  let place = HEADER_BYTES
  for (let index = 0; index < elements.length; index += 1) {
    const element = elements[index]!
    const size = sizes[index]!
    place = array.writeInt32BE(size, place)
    if (size === NULL_SIZE) continue
    write(element, array, place)
    place += size
  }
  return array
}
