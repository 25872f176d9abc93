import { TLS_WANTED, type TlsTrouble, tlsTrouble } from '../tls.ts'
import { TimeLimitExceeded } from '../within.ts'

const KAFKA = 'Kafka (KAFKA_BROKERS)'

const TLS_SENTENCES = {
  untrusted:
    'shows a certificate of an authority that is not trusted here: KAFKA_TLS_CA_FILE has those that are',
  'other-host':
    'shows a certificate for another host than the one that KAFKA_BROKERS, or a broker itself, names',
  'out-of-date': 'shows a certificate that has expired, or is not valid yet',
  'ours-refused':
    'does not accept the certificate that we show, or wants one: KAFKA_TLS_CERT_FILE and KAFKA_TLS_KEY_FILE have it',
  'no-common-version': 'speaks no version of TLS that is spoken here',
  'not-spoken': 'does not speak TLS on this port: KAFKA_TLS and the KAFKA_TLS_…_FILE say that it should',
  wanted: 'speaks nothing but TLS on this port: set KAFKA_TLS',
} as const satisfies Record<TlsTrouble, string>

const REFUSALS: Readonly<Record<string, string>> = {
  SASL_AUTHENTICATION_FAILED:
    'refuses the login: KAFKA_SASL_USERNAME or KAFKA_SASL_PASSWORD is wrong, or KAFKA_SASL_MECHANISM is not for this user',
  UNSUPPORTED_SASL_MECHANISM: 'does not know the mechanism in KAFKA_SASL_MECHANISM',
  ILLEGAL_SASL_STATE: 'takes no login on this port: KAFKA_SASL_MECHANISM says that it should',
  TOPIC_AUTHORIZATION_FAILED:
    'does not let this user use a topic: grant it those of REQUEST_TOPIC, REPLY_TOPIC, DEAD_LETTER_TOPIC and ALLOWED_REPLY_TOPICS',
  GROUP_AUTHORIZATION_FAILED: 'does not let this user into the group: grant it that of CONSUMER_GROUP',
  CLUSTER_AUTHORIZATION_FAILED:
    'does not let this user do that to the cluster: grant it to KAFKA_SASL_USERNAME, or to the certificate in KAFKA_TLS_CERT_FILE',
}

/** Why Kafka lets us not in, or not do something, until somebody acts; undefined for all that may pass by itself. */
export function kafkaRefusal(error: unknown): string | undefined {
  for (const code of codesIn(error)) {
    const trouble = tlsTrouble(code)
    const words = trouble ? TLS_SENTENCES[trouble] : REFUSALS[code]
    if (words) return `${KAFKA} ${words} (${code})`
  }
  return undefined
}

/** What went wrong with Kafka, for a person; undefined when the error is none of kafkajs's. */
export function kafkaSentence(error: unknown): string | undefined {
  const refusal = kafkaRefusal(error)
  if (refusal) return refusal
  const codes = codesIn(error)
  if (kafkaHangsUp(error))
    return `${KAFKA} ends the connection without a word: perhaps it wants a login (KAFKA_SASL_MECHANISM) or TLS (KAFKA_TLS) on this port`
  return codes.length > 0 ? `${KAFKA} does not answer as it should (${codes.at(-1)})` : undefined
}

/**
 * Whether something takes connections and ends them: a Kafka that wants to be spoken to otherwise, or one behind a proxy
 * that is only starting.
 */
export function kafkaHangsUp(error: unknown): boolean {
  return kafkaRefusal(error) === undefined && codesIn(error).includes(CONNECTION_CLOSED)
}

/** Whether Kafka does not answer, or not now: what may pass by itself. */
export function kafkaIsAway(error: unknown): boolean {
  if (error instanceof TimeLimitExceeded) return true
  const code = codesIn(error).at(-1)
  return code !== undefined && kafkaRefusal(error) === undefined && AWAY.has(code)
}

/** What a broker that is away, or is only just starting, makes kafkajs end with. */
const AWAY: ReadonlySet<string> = new Set([
  ...[
    'ECONNREFUSED',
    'ECONNRESET',
    'EPIPE',
    'ETIMEDOUT',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'EAI_AGAIN',
    'ENOTFOUND',
  ],
  ...['KafkaJSConnectionError', 'KafkaJSRequestTimeoutError', 'KafkaJSBrokerNotFound', 'KafkaJSLockTimeout'],
  ...[
    'KafkaJSMetadataNotLoaded',
    'KafkaJSNumberOfRetriesExceeded',
    'KafkaJSTimeout',
    'KafkaJSGroupCoordinatorNotFound',
  ],
  ...['LEADER_NOT_AVAILABLE', 'NOT_LEADER_FOR_PARTITION', 'NOT_CONTROLLER', 'REQUEST_TIMED_OUT'],
  ...[
    'GROUP_COORDINATOR_NOT_AVAILABLE',
    'GROUP_LOAD_IN_PROGRESS',
    'NOT_COORDINATOR_FOR_GROUP',
    'BROKER_NOT_AVAILABLE',
  ],
])

/** Whether kafkajs need not try again: `firstBytes` is what came for an answer, which may be no answer of Kafka's. */
export function lastingCode(code: string | undefined, firstBytes: Buffer | undefined): string | undefined {
  if (firstBytes?.[0] === TLS_ALERT && firstBytes[1] === TLS_MAJOR_VERSION) return TLS_WANTED
  return code !== undefined && tlsTrouble(code) ? code : undefined
}

const TLS_ALERT = 0x15
const TLS_MAJOR_VERSION = 0x03

const CONNECTION_CLOSED = 'KafkaJSConnectionClosedError'
const LOGIN_FAILED = 'KafkaJSSASLAuthenticationError'

/** What a login that was not refused, but broke off, ends with: the login's own error has no more of it. */
const BROKEN_OFF =
  /failed: (Closed connection|Connection error|Connection timeout|Not connected|Request .* timed out)/

/** What kafkajs says in codes, the outermost first; none when the error is not of kafkajs. */
function codesIn(thrown: unknown): string[] {
  const codes: string[] = []
  for (let error = thrown, depth = 0; error instanceof Error && depth < 5; error = error.cause, depth += 1) {
    if (!error.name.startsWith('KafkaJS')) continue
    if ('errors' in error && Array.isArray(error.errors)) codes.push(...error.errors.flatMap(codesIn))
    codes.push(codeOf(error))
  }
  return codes
}

function codeOf(error: Error & { type?: unknown; code?: unknown }): string {
  if (error.name === LOGIN_FAILED)
    return BROKEN_OFF.test(error.message) ? CONNECTION_CLOSED : 'SASL_AUTHENTICATION_FAILED'
  if (typeof error.type === 'string') return error.type
  return typeof error.code === 'string' ? error.code : error.name
}
