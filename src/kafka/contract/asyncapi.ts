import type { Topics } from '../../config.ts'
import { guide } from './guide.ts'
import { messages } from './messages.ts'
import { componentSchemas } from './schemas.ts'

const REQUEST_FORMS = ['requestedBinary', 'requestedStructured', 'requestedPlain'] as const

/** The description of what goes over Kafka, in AsyncAPI 3. It names the topics, but no broker. */
export function asyncApiDocument(topics: Topics, problemBaseUrl: string) {
  const { requests, replies, deadLetters } = topics
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'workflow-registrar',
      version: '1.0.0',
      description: guide(topics),
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
      tags: [
        { name: 'request', description: 'What producers send' },
        { name: 'reply', description: 'What listeners get' },
        { name: 'operation', description: 'What those look at who run the service' },
      ],
    },
    defaultContentType: 'application/json',
    servers: SERVERS,
    channels: {
      registrations: {
        address: requests,
        title: 'Requests',
        description: 'Requests to register a workflow, from any producer.',
        messages: refersTo(REQUEST_FORMS),
        bindings: onTopic(requests),
      },
      outcomes: {
        address: replies,
        title: 'Replies',
        description: 'How requests ended: of all that do not ask for their reply elsewhere.',
        messages: refersTo(['completed']),
        bindings: onTopic(replies),
      },
      outcomesElsewhere: {
        address: null,
        title: 'Replies on a topic that their request names',
        description: 'Any topic that the service allows.',
        messages: refersTo(['completed']),
      },
      deadLetters: {
        address: deadLetters,
        title: 'Dead letters',
        description: 'Records that nobody could read, or that the database refused.',
        messages: refersTo(['deadLetter']),
        bindings: onTopic(deadLetters),
      },
    },
    operations: {
      receiveRegistration: {
        action: 'receive',
        title: 'Take a request',
        summary: 'Registers a workflow, and answers how that ended.',
        tags: [{ name: 'request' }],
        channel: { $ref: '#/channels/registrations' },
        messages: messagesOf('registrations', REQUEST_FORMS),
        reply: {
          address: {
            location: '$message.header#/reply-topic',
            description: `The topic that the request names. Without one: \`${replies}\`.`,
          },
          channel: { $ref: '#/channels/outcomesElsewhere' },
          messages: messagesOf('outcomesElsewhere', ['completed']),
        },
      },
      sendOutcome: {
        action: 'send',
        title: 'Tell how a request ended',
        summary: 'After the outcome is stored, at least once.',
        tags: [{ name: 'reply' }],
        channel: { $ref: '#/channels/outcomes' },
        messages: messagesOf('outcomes', ['completed']),
      },
      parkDeadLetter: {
        action: 'send',
        title: 'Keep what cannot be handled',
        summary: 'For those who run the service to look at, and to put back.',
        tags: [{ name: 'operation' }],
        channel: { $ref: '#/channels/deadLetters' },
        messages: messagesOf('deadLetters', ['deadLetter']),
      },
    },
    components: {
      messages: messages(problemBaseUrl),
      schemas: componentSchemas(),
      correlationIds: {
        header: {
          location: '$message.header#/ce_correlationid',
          description: 'Of the request, and the same of its reply.',
        },
        envelope: { location: '$message.payload#/correlationid', description: 'Comes back with the reply.' },
      },
      securitySchemes: SECURITY_SCHEMES,
    },
  }
}

const SECURITY_SCHEMES = {
  plain: { type: 'plain', description: 'SASL PLAIN' },
  scramSha256: { type: 'scramSha256', description: 'SASL SCRAM-SHA-256' },
  scramSha512: { type: 'scramSha512', description: 'SASL SCRAM-SHA-512' },
  certificate: { type: 'X509', description: 'A certificate of the client' },
}

/** Where the brokers are and how to get in is for those to say who run them. */
const SERVERS = {
  kafka: {
    host: '{bootstrap}',
    protocol: 'kafka',
    description: 'Brokers without TLS. Ask those who run them for their address.',
    variables: { bootstrap: { description: 'Host and port of a broker', examples: ['kafka.example:9092'] } },
  },
  kafkaSecure: {
    host: '{bootstrap}',
    protocol: 'kafka-secure',
    description: 'Brokers with TLS. Ask those who run them for their address, and for how to log in.',
    variables: { bootstrap: { description: 'Host and port of a broker', examples: ['kafka.example:9093'] } },
    security: Object.keys(SECURITY_SCHEMES).map((name) => ({ $ref: `#/components/securitySchemes/${name}` })),
  },
}

type MessageName = keyof ReturnType<typeof messages>

function refersTo(names: readonly MessageName[]) {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/messages/${name}` }]))
}

function messagesOf(channel: string, names: readonly MessageName[]) {
  return names.map((name) => ({ $ref: `#/channels/${channel}/messages/${name}` }))
}

function onTopic(topic: string) {
  return { kafka: { topic, bindingVersion: '0.5.0' } }
}
