import { connect } from 'node:net'
import { Writable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { type MetricsServerParts, serveMetrics } from '../../src/http/metrics-server.ts'
import { createLogger } from '../../src/logger.ts'
import { dial, raw } from '../support/raw-http.ts'
import { until } from '../support/until.ts'

async function serving(parts: Partial<MetricsServerParts> = {}) {
  const lines: string[] = []
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  const server = await serveMetrics({
    host: '127.0.0.1',
    port: 0,
    text: async () => 'up 1\n',
    contentType: 'text/plain; version=0.0.4',
    log: createLogger('trace', destination),
    ...parts,
  })
  onTestFinished(() => server.close())
  return { ...server, origin: server.url.replace('/metrics', ''), lines }
}

test('GET /metrics answers all of them, in their media type', async () => {
  const { url, lines } = await serving()
  for (const suffix of ['', '?name=value']) {
    const response = await fetch(url + suffix)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4')
    expect(await response.text()).toBe('up 1\n')
  }
  expect(lines).toEqual([])
})

test.each(['/', '/metrics/', '/Metrics', '//metrics', '/health/live', '/api/v1/workflows', '*'])(
  '404: there is nothing at %s, whatever the method',
  async (path) => {
    const { url } = await serving()
    for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS']) {
      const answer = await raw(url, `${method} ${path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n`)
      expect(answer).toMatchObject({ status: 404, body: '' })
    }
  },
)

test.each(['POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'PROPFIND'])(
  '405: %s is not possible, and no body is waited for',
  async (method) => {
    const { url } = await serving()
    const answer = await raw(
      url,
      `${method} /metrics HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000\r\n\r\n`,
    )
    expect(answer).toMatchObject({ status: 405, body: '' })
    expect(answer.headers.get('allow')).toBe('GET')
  },
)

test('what follows a body that is announced is no request', async () => {
  const { url } = await serving()
  const smuggled = 'GET /metrics HTTP/1.1\r\nhost: test\r\n\r\n'
  const line = dial(url)
  line.say(`GET / HTTP/1.1\r\nhost: test\r\ncontent-length: ${smuggled.length}\r\n\r\n${smuggled}`)
  await until('the end', () => line.isClosed())
  expect(line.heard().match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 404'])
})

test('431: a head of 9 KB is too much', async () => {
  const { url } = await serving()
  const head = `GET /metrics HTTP/1.1\r\nhost: test\r\nx-flood: ${'x'.repeat(9_000)}\r\n\r\n`
  expect(await raw(url, head)).toMatchObject({ status: 431 })
})

test('500 without a word where the metrics cannot be told, and the log says why', async () => {
  const { url, lines } = await serving({ text: () => Promise.reject(new Error('the secret reason')) })
  const response = await fetch(url)
  expect({ status: response.status, body: await response.text() }).toEqual({ status: 500, body: '' })
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { level: 'error', msg: 'cannot tell the metrics', err: { type: 'Error' } },
  ])
})

test('it closes at once, whoever is still connected', async () => {
  const server = await serving({ text: () => new Promise(() => {}) })
  const { hostname, port } = new URL(server.url)
  const silent = connect(Number(port), hostname)
  const asking = connect(Number(port), hostname, () =>
    asking.write('GET /metrics HTTP/1.1\r\nhost: test\r\n\r\n'),
  )
  const ended = [silent, asking].map((socket) => {
    socket.on('error', () => {})
    return new Promise((resolve) => socket.once('close', resolve))
  })
  await until('both connections', () => silent.readyState === 'open' && asking.bytesWritten > 0)
  await server.close()
  await Promise.all(ended)
})

test('a port that is taken is told of', async () => {
  const { url } = await serving()
  await expect(serving({ port: Number(new URL(url).port) })).rejects.toMatchObject({ code: 'EADDRINUSE' })
})
