/*
 * How long does it take to refuse what nobody should send? A line for each case, of 20 tries; 1 when a median is over
 * 50 ms, in bulk for each item.
 */
import { withPrivateService } from '../support/private-service.ts'
import { aWorkflow } from '../support/workflows.ts'

const TRIES = 20
const MEDIAN_MS = 50
const KIB = 1024
const MAX = 512 * KIB

const DOORS = ['/api/v1/workflows', '/api/v1/workflow-requests']
const PATCH = 'PATCH /api/v1/workflows/0190b1e5-7e1a-7cde-8f00-abcdefabcdef'
const NAMES = Array.from({ length: 9_900 }, (_, n) => `n${n}`)

const dictionary = (value: unknown, count = NAMES.length) =>
  Object.fromEntries(NAMES.slice(0, count).map((name) => [name, value]))
/** As long as a body may be. */
const full = (fields: (text: string) => Record<string, unknown>, unit: string) => {
  const room = MAX - JSON.stringify(aWorkflow(fields(''))).length
  return JSON.stringify(
    aWorkflow(fields(unit.repeat(Math.floor(room / Buffer.byteLength(JSON.stringify(unit).slice(1, -1)))))),
  )
}
const withParameters = (text: string) =>
  JSON.stringify(aWorkflow({ parameters: 'PLACE' })).replace('"PLACE"', text)
/** As many copies of a text as fit. */
const filled = (unit: string) => unit.repeat(Math.floor(MAX / unit.length))

/** What is sent, and the status it is answered with. */
const BODIES: Record<string, [body: string, status: number]> = {
  'one byte too many': ['x'.repeat(MAX + 1), 413],
  '8 MiB': ['x'.repeat(8 * KIB * KIB), 413],
  'no JSON': ['x'.repeat(MAX), 400],
  'white space': [' '.repeat(MAX), 400],
  'lists in lists, without an end': ['['.repeat(MAX), 400],
  'lists in lists': ['['.repeat(MAX / 2) + ']'.repeat(MAX / 2), 400],
  'objects in objects': [`${'{"a":'.repeat(80_000)}1${'}'.repeat(80_000)}`, 400],
  '65 levels': [withParameters('['.repeat(64) + ']'.repeat(64)), 400],
  'a list of zeros': [withParameters(`[${filled('0,').slice(400)}0]`), 400],
  'unknown fields, too many': [
    `{${Array.from({ length: 40_000 }, (_, n) => `"${n.toString(36)}":0`).join(',')}}`,
    400,
  ],
  'unknown fields': [JSON.stringify({ ...aWorkflow(), ...dictionary(0) }), 400],
  'one name again and again': [`{${'"a":1,'.repeat(80_000)}"a":1}`, 400],
  'wrong labels': [JSON.stringify(aWorkflow({ labels: dictionary(1) })), 400],
  'wrong lists in labels': [JSON.stringify(aWorkflow({ labels: dictionary([1], 4_900) })), 400],
  'wrong detected labels': [JSON.stringify(aWorkflow({ detected_labels: dictionary({}) })), 400],
  'a wrong version beside labels': [
    JSON.stringify(aWorkflow({ version: 'v1', labels: dictionary('x') })),
    400,
  ],
  'a wrong version beside parameters': [
    JSON.stringify(aWorkflow({ version: 'v1', parameters: dictionary({}) })),
    400,
  ],
  'a long version of digits': [full((text) => ({ version: text }), '1'), 400],
  'a long version of dots': [full((text) => ({ version: `1.0.0-${text}` }), '0.'), 400],
  'a version that almost is one': [JSON.stringify(aWorkflow({ version: `1.0.0-${'0'.repeat(248)}!` })), 400],
  'a long name': [full((text) => ({ workflow_name: text }), 'x'), 400],
  'a long name of emoji': [full((text) => ({ workflow_name: text }), '🚀'), 400],
  'a long content hash': [full((text) => ({ content_hash: text }), 'f'), 400],
  'a long engine': [full((text) => ({ execution_engine: text }), 'x'), 400],
  'a long name of a field': [full((text) => ({ [text]: 1 }), 'x'), 400],
  'a long name of slashes': [full((text) => ({ [text]: 1 }), '/~'), 400],
  NUL: [full((text) => ({ content: text }), '\0'), 400],
  'NUL in every label': [JSON.stringify(aWorkflow({ labels: dictionary('\0') })), 400],
  'halves of surrogate pairs': [full((text) => ({ content: text }), '\ud800'), 400],
  'a number of many digits': [withParameters(`[${'1'.repeat(MAX - 400)}]`), 400],
  'many numbers that lose digits': [withParameters(`[${'1e400,'.repeat(9_000)}1]`), 400],
}

const GETS: Record<string, string> = {
  'many filters': `/api/v1/workflows?${Array.from({ length: 1_000 }, (_, n) => `labels[${n}]=`).join('&')}&limit=0`,
  'many unknown parameters': `/api/v1/workflows?${Array.from({ length: 2_000 }, (_, n) => `${n}=`).join('&')}`,
  'one parameter again and again': `/api/v1/workflows?${'limit&'.repeat(2_500)}`,
  'a long cursor': `/api/v1/workflows?cursor=${'A'.repeat(15_000)}`,
  'a long limit': `/api/v1/workflows?limit=${'1'.repeat(15_000)}`,
  'a long time': `/api/v1/workflow-requests?since=${'2'.repeat(15_000)}`,
  'a long name': `/api/v1/workflows/by-name/${'x'.repeat(3_000)}/versions?limit=0`,
  'a name of escapes': `/api/v1/workflows/by-name/${'%00'.repeat(1_000)}/versions`,
}

process.exitCode = await withPrivateService(async (url) => {
  let isSlow = false
  async function measure(name: string, status: number, path: string, options?: RequestInit, items = 1) {
    const times: number[] = []
    for (let count = 0; count < TRIES; count += 1) {
      const start = performance.now()
      const answer = await fetch(url + path, options)
      await answer.arrayBuffer()
      times.push(performance.now() - start)
      if (answer.status !== status) throw new Error(`${name}: ${answer.status} instead of ${status}`)
    }
    const sorted = times.sort((a, b) => a - b)
    const [median, worst] = [sorted[TRIES / 2]!, sorted[TRIES - 1]!]
    const isTooSlow = median > MEDIAN_MS * items
    isSlow ||= isTooSlow
    const figures = [median, worst].map((ms) => `${ms.toFixed(1)} ms`.padStart(10)).join('')
    process.stdout.write(
      `${`${path.slice(0, 26)}  ${name}`.padEnd(64)}${status}${figures}${isTooSlow ? '  too slow' : ''}\n`,
    )
  }

  const headers = { 'content-type': 'application/json' }
  process.stdout.write(`${'case'.padEnd(64)}   ${'median'.padStart(10)}${'worst'.padStart(10)}\n`)
  for (const [name, [body, status]] of Object.entries(BODIES))
    for (const door of DOORS) await measure(name, status, door, { method: 'POST', headers, body })
  for (const name of [
    'unknown fields',
    'lists in lists',
    'a number of many digits',
    'a long name of a field',
  ]) {
    const [body, status] = BODIES[name]!
    await measure(name, status, PATCH.slice(6), { method: 'PATCH', headers, body })
    const items = Math.floor((8 * KIB * KIB - 20) / (body.length + 1))
    const bulk = `{"workflows":[${Array.from({ length: items }, () => body).join(',')}]}`
    const sent = { method: 'POST', headers, body: bulk }
    await measure(`${items} of: ${name}`, 200, '/api/v1/workflows/batch', sent, items)
  }
  for (const [name, path] of Object.entries(GETS)) await measure(name, 400, path)
  return isSlow ? 1 : 0
})
