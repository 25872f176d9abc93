import { CANARY, inspectProblems } from './leaks.ts'

export interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: a test looks wherever it likes
  body: any
}

/** What a caller may bring along, and nobody here has any business with. */
const STRAY = { cookie: `session=${CANARY}`, 'x-api-key': CANARY, 'user-agent': CANARY }

/** POSTs JSON (a text goes as it is). */
export function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  return sendJson('POST', url, body, headers)
}

/** PATCHes with JSON (a text goes as it is). */
export function patch(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  return sendJson('PATCH', url, body, headers)
}

export function get(url: string, headers: Record<string, string> = {}): Promise<Answer> {
  return answer(fetch(url, { headers: { ...STRAY, ...headers } }))
}

function sendJson(method: string, url: string, body: unknown, headers: Record<string, string>) {
  return answer(
    fetch(url, {
      method,
      headers: { 'content-type': 'application/json', ...STRAY, ...headers },
      body: typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
    }),
  )
}

async function answer(response: Promise<Response>): Promise<Answer> {
  const { status, headers, ...rest } = await response.then(async (r) => ({
    status: r.status,
    headers: r.headers,
    text: await r.text(),
  }))
  const body = rest.text === '' ? undefined : JSON.parse(rest.text)
  inspectProblems(status, body)
  return { status, headers, body }
}
