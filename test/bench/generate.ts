import { createHash, randomUUID } from 'node:crypto'
import { aWorkflow } from '../support/workflows.ts'

/** What a request of a benchmark weighs, as JSON. */
const BODY_BYTES = 1_000

const FILLING = 'steps: { run: kubectl rollout restart, timeout: 300s, retries: 3 } '.repeat(20)

/** A workflow whose JSON has 1 KB, unlike any other unless it is told its name. */
export function aBody(workflowName: string = randomUUID()): Record<string, unknown> {
  const empty = aWorkflow({ workflow_name: workflowName, content: '' })
  return { ...empty, content: FILLING.slice(0, BODY_BYTES - JSON.stringify(empty).length) }
}

/** What a generated catalog has beside its names with ten versions. */
export const GENERATED = {
  /** The name with a thousand versions. */
  longest: 'nightly-rollout',
  /** One workflow in ten thousand has it. */
  rareLabel: { pilot: 'yes' },
  /** One workflow in two hundred has it. */
  label: { team: 'team-7' },
} as const

/**
 * A statement that puts so many workflows, thousands, and the requests that made them, straight into the tables, a
 * second between each two. A thousand are versions of one name, a thousand of ten names, and the others of names with
 * about ten; the versions of a name lie far from each other. The ids of the requests are random, as callers make them.
 */
export function catalogOf(rows: number): string {
  const content = `'${FILLING.slice(0, 600)}' || n`
  const apart = rows / 1_000
  const names = rows / 10
  return `
    with numbered as (
      select n, (n - ${rows}) * interval '1 second' as ago,
        case n % ${apart} when 0 then '${GENERATED.longest}' when 1 then 'weekly-cleanup-' || n / ${apart} % 10
          else 'restart-' || left(md5((n % ${names})::text), 16) end as workflow_name,
        case n % ${apart} when 0 then n / ${apart} - 1 when 1 then n / ${apart} / 10 else n / ${names} end as v
      from generate_series(1, ${rows}) as n
    ), made as (
      insert into workflow (workflow_id, workflow_name, version, name, description, content, content_hash,
        execution_engine, labels, custom_labels, detected_labels, parameters, status, created_by_request,
        request_fingerprint, created_at)
      select uuidv7(ago), workflow_name,
        concat_ws('.', 1 + v / 100, v / 10 % 10, v % 10) || case when v % 10 = 9 then '-rc.1' else '' end,
        'Restart pods', 'Restarts the pods of a deployment', ${content},
        encode(sha256(convert_to(${content}, 'UTF8')), 'hex'), 'tekton',
        jsonb_build_object('severity', (array['critical', 'high', 'medium', 'low'])[1 + n % 4],
          'team', 'team-' || n % 200, 'environments', array['staging', 'production'])
          || case when n % 10000 = 5 then '${JSON.stringify(GENERATED.rareLabel)}' else '{}' end::jsonb,
        '{}', '{}', '{}',
        case when (n + v) % 100 = 1 then 'disabled' when (n + v) % 20 = 2 then 'deprecated' else 'active'
          end::workflow_status,
        gen_random_uuid(), sha256(n::text::bytea), now() + ago
      from numbered
      returning created_by_request, request_fingerprint, workflow_name, version, created_at
    )
    insert into registration_request (request_id, fingerprint, idempotency_key, outcome, workflow_name, version,
      accepted_at, completed_at)
    select created_by_request, request_fingerprint, gen_random_uuid(), 'created', workflow_name, version, created_at,
      created_at from made`
}

/** A record of the request topic, with an id of its own. */
export function aRecord(body: Record<string, unknown> = aBody()) {
  return {
    key: String(body.workflow_name),
    value: JSON.stringify(body),
    headers: { 'request-id': randomUUID() },
  }
}

export const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
