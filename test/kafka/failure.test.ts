import errors from 'kafkajs/src/errors.js'
import { expect, test } from 'vitest'
import { kafkaRefusal, kafkaSentence } from '../../src/kafka/failure.ts'

const {
  KafkaJSConnectionClosedError,
  KafkaJSConnectionError,
  KafkaJSRequestTimeoutError,
  KafkaJSSASLAuthenticationError,
} = errors

/** As kafkajs ends a login that failed for this reason. */
const loginEndedBy = (cause: Error) =>
  new KafkaJSSASLAuthenticationError(`SASL PLAIN authentication failed: ${cause.message}`)

test.each<Error>([
  new KafkaJSConnectionClosedError('Closed connection'),
  new KafkaJSConnectionError('Connection error: read ECONNRESET'),
  new KafkaJSConnectionError('Connection timeout'),
  new KafkaJSConnectionError('Not connected'),
  new KafkaJSRequestTimeoutError('Request SaslAuthenticate(key: 36, version: 1) timed out'),
])('a login that breaks off is no refusal: $message', (cause) => {
  expect(kafkaRefusal(loginEndedBy(cause))).toBeUndefined()
  expect(kafkaSentence(loginEndedBy(cause))).toMatch(/ends the connection without a word/)
})

test('a login that the broker refuses is one, whatever it says of it', () => {
  const refused = loginEndedBy(new Error('Authentication failed: a-secret'))
  expect(kafkaRefusal(refused)).toMatch(/refuses the login/)
  expect(kafkaRefusal(refused)).not.toContain('secret')
})

test('what others throw is not said of Kafka', () => {
  const code = 'CERT_HAS_EXPIRED'
  expect(kafkaSentence(Object.assign(new Error('certificate has expired'), { code }))).toBeUndefined()
  expect(kafkaSentence('text')).toBeUndefined()
})
