import type { Topics } from '../../config.ts'
import { eventRequestId, ID_NAMESPACE } from '../../domain/ids.ts'
import { LIMITS } from '../../domain/limits.ts'
import type { Outcome } from '../../domain/outcome.ts'
import { EVENT_TYPES, REPLY_ADDRESSES, STRUCTURED } from '../events.ts'

const WHAT_OUTCOMES_MEAN: Record<Outcome, string> = {
  created: 'the workflow is registered, and this request did it.',
  conflict:
    'another request has registered that name and version. `problem.content` says whether it asked for the same (`identical`: take it as success) or for something else (`different`). Do not retry it: a workflow never changes, so register another version.',
  rejected:
    'the request itself is not acceptable: `problem` says why, and `problem.errors` where. Do not retry it: mend it, and send it under another id.',
  failed:
    'the database refused this one request for a reason that is not a duplicate. The operators are alarmed, and the record is kept as a dead letter.',
}

/** What somebody in another language has to know beside the schemas, in Markdown: headings, paragraphs, lists, code. */
export function guide({ requests, replies, allowedReplies, deadLetters, retentionDays }: Topics): string {
  return `
Register automation workflows by records on a Kafka topic, and learn from records how each request ended. This is all that a producer or a listener has to know, in whichever language it is written.

## Sending a request

Put one record for each workflow on \`${requests}\`, with \`acks=all\`.

- The key is \`workflow_name\`. Then requests for one name keep their order, and of those for one version the first valid one wins.
- Clients on top of librdkafka (among them those of Confluent for Python, Go and .NET) need \`partitioner=murmur2_random\`. Without it they put a key on another partition than Java and this service do, and the order is lost.
- The workflow is JSON in UTF-8 of at most ${LIMITS.bytes} bytes (${LIMITS.bytes / 1024} KiB), nested no deeper than ${LIMITS.depth} levels and with no more than ${LIMITS.nodes} values. A field that nobody knows is refused by its name. A whole event in structured mode may have ${(2 * LIMITS.bytes) / 1024} KiB.
- It comes in one of three forms: as a CloudEvent 1.0 in binary mode; as one in structured mode, told by the content type \`${STRUCTURED}\`; or as plain JSON without any attribute of an event.
- Batches may be compressed with gzip, snappy, lz4 or zstd.

## The id of a request

A producer that names its requests can send one again at any time: the same id with the same body is the same request, and gets the same answer. The same id with another body is \`rejected\`.

- The id is that of the event (\`ce_id\`, or \`id\` in structured mode), and in plain JSON the header \`request-id\`.
- An id and its source are UTF-8 without control characters. An id that is a UUID is the request id as it is, in lower case.
- Any other id makes a UUIDv5 in the namespace \`${ID_NAMESPACE}\`. The name is the word \`event\`, the source and the id, with a line feed between them and none at the end; the source of plain JSON is empty.
- Plain JSON without an id gets one of the place where it lies. Then a producer that sends its record again makes another request, which ends as \`conflict\`.

What must come out:

\`\`\`
source /shop, id order-17       ${eventRequestId('/shop', 'order-17')}
source (none), id order-17      ${eventRequestId('', 'order-17')}
\`\`\`

With the request id, \`GET /api/v1/workflow-requests/{request_id}\` tells the status over HTTP. A reply carries the same document.

## Who asks

The header \`principal\` names who asks: 1 to 255 characters of UTF-8, not all of them white space, and none of them a control, formatting or line-separating character. The workflow shows it, and where callers of HTTP have to bring tokens, the status is for that principal alone, and for operators.

- The service believes it, as it believes ids. Whoever may write to \`${requests}\` may write in any name; the access rules of the topic are what keeps others out.
- Without it the status is for all who may read. A record whose principal can name nobody cannot be read at all.
- A request that comes again keeps the principal that it had first.

## How a request ends

The header \`outcome\` of a reply and the \`state\` in it have one of these words. Each of them is final.

${Object.entries(WHAT_OUTCOMES_MEAN)
  .map(([outcome, meaning]) => `- \`${outcome}\`: ${meaning}`)
  .join('\n')}

Nothing else ends a request. While the service or its database is away, requests wait: no reply means not yet. Kafka keeps them for ${retentionDays} days at least.

## Replies

Each request gets at least one reply, on \`${replies}\` unless it asks for another topic.

- A reply comes after its outcome is stored, so it never says what the catalog does not.
- It may come more than once. All have the same \`ce_id\`: pass over one that you have seen.
- \`ce_correlationid\` is that of the request; without one its id as it was written; without that the request id. \`ce_causationid\` is the request id.
- A request names another topic in one of the headers ${REPLY_ADDRESSES.map(({ topic }) => `\`${topic}\``).join(', ')}. It must be one that the service allows${allowedHere(allowedReplies)}. Where it is not, or where Kafka refuses the reply there, the reply goes to \`${replies}\` and its header \`reply-fallback\` says why.
- The reply headers of Spring and SmallRye come back byte for byte, so that their request and reply templates work as they are.
- \`traceparent\` and \`tracestate\` come back, too. Where the service traces, \`traceparent\` is the step that sent the reply, in the same trace.
- Where a reply is too large for its topic, \`errors\` are left out, the header \`details-omitted\` is \`true\`, and the status has the rest. Where it is too large even so, what the request had it echo is left out as well, and \`echo-omitted\` is \`true\`.
- This is no feed of the catalog: who creates a workflow over HTTP and waits for the answer gets it there, and no record is sent.

## What cannot be read

A record that is no JSON, has a principal that can name nobody, or is an event of a type or major version that nobody here knows, goes to \`${deadLetters}\`. If its id can be read, it is answered as \`rejected\` as well.

## Versions

The number at the end of \`${EVENT_TYPES.requested}\` is the major version; so it is in the names of the JSON Schemas.

- Within a major version, headers, attributes and fields of replies may be added: pass over what you do not know. Nothing is taken away or given another meaning.
- A request may have attributes that nobody here knows. Its workflow may not have such fields.
- A new major version has types, schemas and messages of its own, beside these.
`.trim()
}

function allowedHere(topics: readonly string[]): string {
  if (topics.length === 0) return '; here that is none but the default'
  return `, here ${topics.map((topic) => `\`${topic}\``).join(', ')}`
}
