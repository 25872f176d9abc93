import pg from 'pg'
import { onTestFinished, vi } from 'vitest'

export interface Statement {
  text: string
  values: unknown[]
}

/** What this process sends to PostgreSQL from now on, until the test is over. */
export function recordStatements(): { sent(): readonly Statement[] } {
  const query = vi.spyOn(pg.Client.prototype, 'query')
  onTestFinished(() => query.mockRestore())
  const statements: Statement[] = []
  function sent() {
    statements.push(...query.mock.calls.slice(statements.length).map(statementOf))
    return statements
  }
  return { sent }
}

function statementOf([query, values]: unknown[]): Statement {
  const text = typeof query === 'string' ? query : (query as { text: string }).text
  return { text, values: Array.isArray(values) ? values : [] }
}
