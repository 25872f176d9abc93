import { createHash } from 'node:crypto'

/** Where a record lies in its topic. */
export interface Position {
  partition: number
  offset: bigint
}

/** Where and when a request was accepted, as the URL of its status carries it. */
export interface AcceptedAt extends Position {
  /** Stands for the cluster and the topic. */
  tag: string
  acceptedAt: Date
}

export function logTag(clusterId: string, topic: string): string {
  return createHash('sha256').update(`${clusterId}\n${topic}`).digest('base64url').slice(0, 11)
}

/** An opaque token for `at` in the URL of a status. */
export function formatAt({ tag, partition, offset, acceptedAt }: AcceptedAt): string {
  return Buffer.from(`${tag}.${partition}.${offset}.${acceptedAt.getTime()}`).toString('base64url')
}

/** Undefined when the token is none of ours. */
export function parseAt(token: string): AcceptedAt | undefined {
  const text = Buffer.from(token, 'base64url').toString('latin1')
  const match = /^([\w-]{11})\.(\d{1,6})\.(\d{1,18})\.(\d{1,14})$/.exec(text)
  if (!match) return undefined
  const [, tag = '', partition, offset = '', ms] = match
  const at = { tag, partition: Number(partition), offset: BigInt(offset), acceptedAt: new Date(Number(ms)) }
  return formatAt(at) === token ? at : undefined // the decoder passes over what it does not know
}
