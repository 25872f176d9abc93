import { documentOf } from '../domain/document.ts'
import type { MakeProblem, Problem } from '../domain/problem.ts'
import type { Registered, ValidRequest } from '../domain/request.ts'
import type { Foresee } from '../dry-run.ts'
import type { DryRun } from './contract/dry-run.ts'

/** The answer to one request that is not to be carried out. */
export async function dryRun(
  create: ValidRequest,
  { foresee, makeProblem }: { foresee: Foresee; makeProblem: MakeProblem },
): Promise<DryRun> {
  const [foreseen] = await foresee([create])
  return dryRunOf(foreseen!, makeProblem)
}

/** How a request would end. Only one that is stored has a status to point at. */
export function dryRunOf(foreseen: Registered, makeProblem: MakeProblem): DryRun {
  const { workflow_name, version, workflow_id, problem } = documentOf(foreseen, makeProblem)
  return {
    dry_run: true,
    state: foreseen.outcome,
    status: problem?.status ?? 201,
    workflow_name,
    version,
    ...(workflow_id !== undefined && { workflow_id }),
    ...(problem && { problem: foreseen.replayed ? problem : withoutInstance(problem) }),
  }
}

function withoutInstance({ instance: _notStored, ...problem }: Problem): Problem {
  return problem
}
