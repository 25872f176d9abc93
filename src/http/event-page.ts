import { EVENT_SCHEMA_HREFS } from '../domain/document.ts'
import type { JsonSchema } from '../domain/json-schema.ts'
import { type Html, html } from './html.ts'
import { anchorOf, headingsOf, line, markdown } from './markdown.ts'
import { isObject, referredBy, type Schemas, schemaAnchor, schemaTable } from './schema-table.ts'

interface Reference {
  $ref: string
}

interface Message {
  title: string
  summary: string
  contentType: string
  headers: JsonSchema
  payload: JsonSchema
  bindings: { kafka: { key: { description: string } } }
  examples: readonly {
    summary: string
    headers: Readonly<Record<string, string>>
    payload: unknown
  }[]
}

interface Operation {
  action: string
  title: string
  summary: string
  channel: Reference
  messages: readonly Reference[]
  reply?: { address: { description: string }; channel: Reference; messages: readonly Reference[] }
}

/** What a page shows of a description in AsyncAPI 3. */
export interface EventDocument {
  info: { title: string; description: string }
  servers: Readonly<
    Record<string, { protocol: string; description: string; security?: readonly Reference[] }>
  >
  channels: Readonly<
    Record<
      string,
      {
        address: string | null
        title: string
        description: string
        messages: Readonly<Record<string, Reference>>
      }
    >
  >
  operations: Readonly<Record<string, Operation>>
  components: {
    messages: Readonly<Record<string, Message>>
    schemas: Schemas
    securitySchemes: Readonly<Record<string, { description: string }>>
  }
}

/** A description of events as a page for people: whole as it is sent, without any script. */
export function eventPage({ info, servers, channels, operations, components }: EventDocument): string {
  const { messages, schemas, securitySchemes } = components
  const sections = [...headingsOf(info.description), 'Topics', 'Operations', 'Messages', 'Data', 'Brokers']

  const messageLink = ({ $ref }: Reference) => {
    const name = lastOf($ref)
    return html`<li><a href="#message-${name}">${messages[name]?.title ?? name}</a></li>\n`
  }
  const channelLink = ({ $ref }: Reference) => {
    const name = lastOf($ref)
    return html`<a href="#channel-${name}">${channels[name]?.title ?? name}</a>`
  }

  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${info.title}: events</title>
<link rel="stylesheet" href="/docs/events.css">
</head>
<body>
<header>
<h1>${info.title}: events on Kafka</h1>
<p><a href="/docs">HTTP operations</a> &middot; <a href="/asyncapi.json">AsyncAPI 3</a> &middot; JSON Schema of
<a href="${EVENT_SCHEMA_HREFS.requested}">requests</a> and <a href="${EVENT_SCHEMA_HREFS.completed}">replies</a></p>
</header>
<nav aria-label="On this page"><ul>
${sections.map((title) => html`<li><a href="#${anchorOf(title)}">${title}</a></li>\n`)}</ul></nav>
<main>
${markdown(info.description)}
${heading('Topics')}
${Object.entries(channels).map(
  ([name, channel]) => html`<section id="channel-${name}">
<h3>${channel.title}</h3>
${channel.address !== null && html`<p class="address"><code>${channel.address}</code></p>`}
<p>${line(channel.description)}</p>
<ul>${Object.values(channel.messages).map(messageLink)}</ul>
</section>
`,
)}
${heading('Operations')}
${Object.values(operations).map(
  ({ action, title, summary, channel, messages: known, reply }) => html`<section>
<h3><span class="action">${action}</span> ${title}</h3>
<p>${line(summary)} Topic: ${channelLink(channel)}.</p>
<ul>${known.map(messageLink)}</ul>
${reply && html`<p>The reply: ${channelLink(reply.channel)}. ${line(reply.address.description)}</p>\n<ul>${reply.messages.map(messageLink)}</ul>`}
</section>
`,
)}
${heading('Messages')}
${Object.entries(messages).map(([name, message]) => messageSection(name, message, schemas))}
${heading('Data')}
${Object.entries(schemas)
  .filter(([, schema]) => isObject(schema))
  .map(
    ([name, schema]) => html`<section id="${schemaAnchor(name)}">
<h3>${name}</h3>
${typeof schema.description === 'string' && html`<p>${line(schema.description)}</p>`}
${schemaTable(schema, schemas)}</section>
`,
  )}
${heading('Brokers')}
<ul>
${Object.values(servers).map(
  ({ protocol, description, security = [] }) =>
    html`<li><code>${protocol}</code>: ${description}${
      security.length > 0 &&
      ` Known ways: ${security.map(({ $ref }) => securitySchemes[lastOf($ref)]?.description).join('; ')}.`
    }</li>\n`,
)}</ul>
</main>
</body>
</html>
`
  return page.text
}

function messageSection(
  name: string,
  { title, summary, contentType, headers, payload, bindings, examples }: Message,
  schemas: Schemas,
): Html {
  const data = referredBy(payload)
  return html`<section id="message-${name}">
<h3>${title}</h3>
<p>${line(summary)}</p>
<dl>
<dt>Content type</dt><dd><code>${contentType}</code></dd>
<dt>Key</dt><dd>${line(bindings.kafka.key.description)}</dd>
<dt>Value</dt><dd>${
    data === undefined
      ? line(typeof payload.description === 'string' ? payload.description : 'JSON, as below')
      : html`JSON: <a href="#${schemaAnchor(data)}">${data}</a>`
  }</dd>
</dl>
<h4>Headers</h4>
${schemaTable(headers, schemas)}
${isObject(payload) && html`<h4>Value</h4>\n${schemaTable(payload, schemas)}`}
<h4>Examples</h4>
${examples.map(
  (example, index) => html`<details${index === 0 && ' open'}><summary>${example.summary}</summary>
<pre><code>${Object.entries(example.headers).map(([header, value]) => `${header}: ${value}\n`)}
${typeof example.payload === 'string' ? example.payload : JSON.stringify(example.payload, null, 2)}</code></pre>
</details>
`,
)}</section>
`
}

function heading(title: string): Html {
  return html`<h2 id="${anchorOf(title)}">${title}</h2>`
}

function lastOf(reference: string): string {
  return reference.slice(reference.lastIndexOf('/') + 1)
}
