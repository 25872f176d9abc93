import type { KafkaMessage, Message } from 'kafkajs'
import { aWorkflow } from './workflows.ts'

type Headers = Record<string, string | Buffer | (string | Buffer)[]>

/** A record as a consumer gets it, with a valid workflow unless it says otherwise. */
export function aRecord(
  fields: Partial<Omit<KafkaMessage, 'headers'>> & { headers?: Headers } = {},
): KafkaMessage {
  const bytes = (value: string | Buffer) => (typeof value === 'string' ? Buffer.from(value) : value)
  const headers = Object.entries(fields.headers ?? {}).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.map(bytes) : bytes(value),
  ])
  return {
    ...{ key: null, offset: '17', timestamp: '1700000000000', attributes: 0, size: 0 },
    ...{ value: Buffer.from(JSON.stringify(aWorkflow())), ...fields },
    headers: Object.fromEntries(headers),
  } as KafkaMessage
}

/** What a consumer gets of a message that was sent. */
export const asRecord = ({ key, value, timestamp, headers }: Message) =>
  aRecord({
    key: Buffer.from(String(key)),
    value: value as Buffer,
    timestamp: timestamp ?? '1700000000000',
    headers: headers as Headers,
  })
