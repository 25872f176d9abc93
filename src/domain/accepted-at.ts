import { createHash } from 'node:crypto'
import type { Caller } from './access.ts'

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
  /**
   * Stands for whose request it is; undefined: nobody's. A hint, not a protection: it spares strangers an answer before
   * there is a row, and anybody can write a token without it. The row itself says whose it is.
   */
  owner?: string | undefined
}

export function logTag(clusterId: string, topic: string): string {
  return tagOf(clusterId, topic)
}

/** What stands for a principal; undefined for nobody. */
export function ownerTag(principal: string | null): string | undefined {
  return principal === null ? undefined : tagOf('principal', principal)
}

/** Whether a caller may know what became of what was accepted there. */
export function mayFollow(caller: Caller, { owner }: AcceptedAt): boolean {
  const isTheirs = owner === undefined || owner === ownerTag(caller.principal)
  return isTheirs || caller.scopes.has('workflows:operate')
}

function tagOf(...parts: string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('base64url').slice(0, 11)
}

/** An opaque token for `at` in the URL of a status. */
export function formatAt({ tag, partition, offset, acceptedAt, owner }: AcceptedAt): string {
  const parts = [tag, partition, offset, acceptedAt.getTime(), ...(owner === undefined ? [] : [owner])]
  return Buffer.from(parts.join('.')).toString('base64url')
}

/** Undefined when the token is none of ours. */
export function parseAt(token: string): AcceptedAt | undefined {
  const text = Buffer.from(token, 'base64url').toString('latin1')
  const match = /^([\w-]{11})\.(\d{1,6})\.(\d{1,18})\.(\d{1,14})(?:\.([\w-]{11}))?$/.exec(text)
  if (!match) return undefined
  const [, tag = '', partition, offset = '', ms, owner] = match
  const at = {
    ...{ tag, partition: Number(partition), offset: BigInt(offset) },
    ...{ acceptedAt: new Date(Number(ms)), owner },
  }
  return formatAt(at) === token ? at : undefined // the decoder passes over what it does not know
}
