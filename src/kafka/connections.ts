import connection from 'kafkajs/src/network/connection.js'
import { lastingCode } from './failure.ts'
import { mend } from './mend.ts'

/** As much of a connection of kafkajs as is mended here. */
interface Connection {
  isConnected(): boolean
  connect(): Promise<true>
  /** Called with whatever ends a connection, before anything else is done about it. */
  rejectRequests(error: Error & { code?: string; retriable?: boolean }): void
  /** What came of an answer that is not complete yet. */
  chunks: Buffer[]
  bytesBuffered: number
  bytesNeeded: number
  /** Set while it connects. */
  connecting?: Promise<true> | undefined
}

/** The length that every answer begins with. */
const LENGTH_BYTES = 4

/**
 * Has a connection of kafkajs 2.2.4 begin anew when it connects again. By itself it takes the half of an answer that
 * its last socket left for the beginning of the next, and from then on reads no answer at all; and it opens a socket for
 * each of several callers at once, of which it uses the last and lets the end of any other fail what is under way.
 * And what ends a connection is not tried again where no waiting mends it.
 */
export function mendConnections(): void {
  mend('connections', () => {
    const { prototype }: { prototype: Connection } = connection
    const open = prototype.connect
    prototype.connect = async function () {
      if (this.isConnected()) return true
      this.connecting ??= openAnew(this, open)
      return this.connecting
    }
    const reject = prototype.rejectRequests
    prototype.rejectRequests = function (error) {
      const code = lastingCode(error.code, this.chunks[0])
      if (code) Object.assign(error, { code, retriable: false })
      reject.call(this, error)
    }
  })
}

async function openAnew(connection: Connection, open: Connection['connect']): Promise<true> {
  Object.assign(connection, { chunks: [], bytesBuffered: 0, bytesNeeded: LENGTH_BYTES })
  try {
    return await open.call(connection)
  } finally {
    connection.connecting = undefined
  }
}
