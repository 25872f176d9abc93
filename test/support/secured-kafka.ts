import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startKafka } from '../../src/embedded/kafka.ts'
import { freePort } from '../../src/embedded/ports.ts'
import { makeAuthority } from './certificates.ts'
import { SECRET } from './failing-start.ts'

/** Logs in with PLAIN; not allowed to do anything that was not granted. */
export const STRANGER = { username: 'stranger', password: `strangers-${SECRET}` }

export const SERVICE = { username: 'registrar', password: `registrars-${SECRET}` }

/** Listeners of a broker, each with its port on 127.0.0.1. */
export type Listener = 'LOGIN' | 'SECURE' | 'MUTUAL' | 'EXPIRED'

const PROTOCOLS = {
  LOGIN: 'SASL_PLAINTEXT',
  SECURE: 'SASL_SSL',
  MUTUAL: 'SSL',
  EXPIRED: 'SSL',
} as const satisfies Record<Listener, string>

/**
 * A broker that has, beside the usual listener, some that want a login, TLS or a certificate. `LOGIN` and `SECURE`
 * take every mechanism; to `SERVICE` everything is allowed.
 */
export type SecuredKafka = Awaited<ReturnType<typeof startSecuredKafka>>

export async function startSecuredKafka() {
  const folder = mkdtempSync(path.join(tmpdir(), 'workflow-registrar-secured-'))
  const authority = makeAuthority(folder, 'authority')
  const stranger = makeAuthority(folder, 'stranger')
  const hosts = ['IP:127.0.0.1']
  const server = authority.sign('kafka', { hosts })
  const expired = authority.sign('expired', { hosts, days: -1 })
  const ports = {
    LOGIN: await freePort(),
    SECURE: await freePort(),
    MUTUAL: await freePort(),
    EXPIRED: await freePort(),
  }
  const names: Listener[] = ['LOGIN', 'SECURE', 'MUTUAL', 'EXPIRED']
  const at = names.map((name) => `${name}://127.0.0.1:${ports[name]}`).join(',')
  /** Of PLAIN: what is changed here counts from the next start of the broker on. */
  const passwords: Record<string, string> = {
    [SERVICE.username]: SERVICE.password,
    [STRANGER.username]: STRANGER.password,
  }
  const say = (line: string) => void process.stderr.write(`${line}\n`)
  const kafka = await startKafka({
    ...{ dataDir: folder, port: 0, say, onExit: say, signal: new AbortController().signal },
    formatArguments: [256, 512].flatMap((bits) => [
      '--add-scram',
      `SCRAM-SHA-${bits}=[name=${SERVICE.username},password=${SERVICE.password}]`,
    ]),
    settings: (usual) => ({
      ...usual,
      listeners: `${usual.listeners},${at}`,
      'advertised.listeners': `${usual['advertised.listeners']},${at}`,
      'listener.security.protocol.map': [
        usual['listener.security.protocol.map'],
        ...names.map((name) => `${name}:${PROTOCOLS[name]}`),
      ].join(','),
      ...Object.fromEntries(
        (['LOGIN', 'SECURE'] as const).flatMap((name) => [
          [listener(name, 'sasl.enabled.mechanisms'), 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512'],
          [listener(name, 'plain.sasl.jaas.config'), plain(passwords)],
          [listener(name, 'scram-sha-256.sasl.jaas.config'), SCRAM],
          [listener(name, 'scram-sha-512.sasl.jaas.config'), SCRAM],
        ]),
      ),
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': server.bothFile,
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': authority.certFile,
      [listener('EXPIRED', 'ssl.keystore.type')]: 'PEM',
      [listener('EXPIRED', 'ssl.keystore.location')]: expired.bothFile,
      [listener('MUTUAL', 'ssl.client.auth')]: 'required',
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': `User:ANONYMOUS;User:${SERVICE.username};User:CN=service`,
    }),
  })
  return {
    kafka,
    folder,
    authority,
    stranger,
    passwords,
    address: (name: Listener, host = '127.0.0.1') => `${host}:${ports[name]}`,
    async close() {
      await kafka.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function listener(name: Listener, property: string): string {
  return `listener.name.${name.toLowerCase()}.${property}`
}

const SCRAM = 'org.apache.kafka.common.security.scram.ScramLoginModule required;'

function plain(passwords: Readonly<Record<string, string>>): string {
  const users = Object.entries(passwords).map(([name, password]) => `user_${name}="${password}"`)
  return `org.apache.kafka.common.security.plain.PlainLoginModule required ${users.join(' ')};`
}
