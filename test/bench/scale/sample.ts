import { GENERATED } from '../generate.ts'
import type { Lab } from '../lab.ts'

/** Some of what a generated catalog holds, from all over it. */
export interface Sample {
  /** A thousand. */
  requestIds: readonly string[]
  workflowIds: readonly string[]
  /** Names with about ten versions. */
  names: readonly string[]
  /** One in the middle of the list of all. */
  middleId: string
}

export async function sampleOf(lab: Lab): Promise<Sample> {
  const rows = await lab.query<{ workflow_id: string; workflow_name: string; created_by_request: string }>(`
    select workflow_id, workflow_name, created_by_request from workflow
    where workflow_name like 'restart-%' order by md5(workflow_id::text) limit 1000`)
  const [middle] = await lab.query<{ id: string }>(`
    select workflow_id as id from workflow order by workflow_id
    offset (select count(*) / 2 from workflow) limit 1`)
  const [longest] = await lab.query<{ versions: number }>(
    'select count(*)::int as versions from workflow where workflow_name = $1',
    [GENERATED.longest],
  )
  if (longest?.versions !== 1_000) throw new Error(`${GENERATED.longest} has ${longest?.versions} versions`)
  return {
    requestIds: rows.map((row) => row.created_by_request),
    workflowIds: rows.map((row) => row.workflow_id),
    names: rows.map((row) => row.workflow_name),
    middleId: middle!.id,
  }
}
