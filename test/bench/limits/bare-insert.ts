/* Inserts whatever is JSON as one row, by a prepared statement, and answers with that row: nothing is checked. */
import Fastify from 'fastify'
import pg from 'pg'
import { parseConfig } from '../../../src/config.ts'
import { INSERT_WORKFLOW, workflowValues } from '../plain-insert.ts'

const { infrastructure } = parseConfig(process.env)
const pool = new pg.Pool({ connectionString: infrastructure!.databaseUrl, max: 10 })
const server = Fastify()
server.post<{ Body: Record<string, unknown> }>('/api/v1/workflows', async ({ body }, reply) => {
  const { rows } = await pool.query({
    name: 'insert-workflow',
    text: `${INSERT_WORKFLOW} returning workflow_id, content_hash, status, created_at, updated_at`,
    values: workflowValues(body),
  })
  const workflow = { ...body, ...rows[0] }
  return reply.code(201).header('location', `/api/v1/workflows/${workflow.workflow_id}`).send(workflow)
})
process.once('SIGTERM', () => process.exit(0))
process.stdout.write(`listening on ${await server.listen({ host: '127.0.0.1', port: 0 })}\n`)
