export interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: a test looks wherever it likes
  body: any
}

/** POSTs JSON (a text goes as it is). */
export function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  return sendJson('POST', url, body, headers)
}

/** PATCHes with JSON (a text goes as it is). */
export function patch(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  return sendJson('PATCH', url, body, headers)
}

export function get(url: string, headers: Record<string, string> = {}): Promise<Answer> {
  return answer(fetch(url, { headers }))
}

function sendJson(method: string, url: string, body: unknown, headers: Record<string, string>) {
  return answer(
    fetch(url, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
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
  return { status, headers, body: rest.text === '' ? undefined : JSON.parse(rest.text) }
}
