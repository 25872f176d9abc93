import type { IHeaders, KafkaMessage } from 'kafkajs'

/** The bytes of a header; of several with one name, the first. */
export function headerBytes({ headers }: Pick<KafkaMessage, 'headers'>, name: string): Buffer | undefined {
  const value = headers && Object.hasOwn(headers, name) ? headers[name] : undefined
  const first = Array.isArray(value) ? value[0] : value
  return typeof first === 'string' ? Buffer.from(first) : first
}

/** No text that means something here is longer. */
export const MAX_TEXT_BYTES = 4_096

/** The text of a header, whatever it holds; undefined when it is longer than any that means something. */
export function headerText(record: Pick<KafkaMessage, 'headers'>, name: string): string | undefined {
  const bytes = headerBytes(record, name)
  return bytes && bytes.length <= MAX_TEXT_BYTES ? bytes.toString() : undefined
}

/** The same headers with an empty value for one that has none, which kafkajs reads but cannot write. */
export function sendable(headers: IHeaders): IHeaders {
  const empty = Buffer.alloc(0)
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map((one) => one ?? empty) : (value ?? empty),
    ]),
  )
}
