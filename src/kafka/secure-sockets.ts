import { isIP } from 'node:net'
import { type ConnectionOptions, connect } from 'node:tls'
import type { ISocketFactory } from 'kafkajs'
import type { KafkaAccess } from '../config.ts'
import { readCertificates, readKey, TLS_NOT_SPOKEN } from '../tls.ts'

/** So often the other side breaks off before it has ever spoken TLS: then it never will. */
const MAX_BROKEN_HANDSHAKES = 5

const KEEP_ALIVE_DELAY_MS = 60_000

/** The files that TLS takes, read. Throws a `ConfigError` where one cannot be. */
export function readTlsFiles({ caFile, certFile, keyFile }: NonNullable<KafkaAccess['tls']>) {
  const ca = caFile && readCertificates({ name: 'KAFKA_TLS_CA_FILE', file: caFile })
  const cert = certFile && readCertificates({ name: 'KAFKA_TLS_CERT_FILE', file: certFile })
  const key = cert && keyFile && readKey({ name: 'KAFKA_TLS_KEY_FILE', file: keyFile }, cert)
  return { ...(ca && { ca }), ...(cert && key && { cert, key }) } satisfies ConnectionOptions
}

/**
 * Sockets that speak TLS, as kafkajs makes them. A broker's port without TLS says nothing to a greeting in TLS and
 * hangs up, as a proxy does whose brokers are away: only repetition tells them apart.
 */
export function secureSockets(options: ConnectionOptions): ISocketFactory {
  let isSpoken = false
  let broken = 0
  return ({ host, port, onConnect }) => {
    const servername = isIP(host) ? {} : { servername: host }
    const socket = connect({ host, port, ...servername, ...options }, onConnect)
    socket.setKeepAlive(true, KEEP_ALIVE_DELAY_MS)
    socket.once('secureConnect', () => {
      isSpoken = true
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (isSpoken || error.code !== 'ECONNRESET') return
      broken += 1
      if (broken >= MAX_BROKEN_HANDSHAKES) error.code = TLS_NOT_SPOKEN
    })
    return socket
  }
}
