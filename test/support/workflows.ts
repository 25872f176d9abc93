import { randomUUID } from 'node:crypto'
import { CANARY } from './leaks.ts'

/** The body of a valid registration, unlike any other unless told otherwise. */
export function aWorkflow(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    workflow_name: `wf-${randomUUID()}`,
    version: '1.0.0',
    name: `Restart pods ${CANARY}`,
    description: `Restarts the pods of a deployment ${CANARY}`,
    content: `apiVersion: workflows/v1\nkind: Workflow # ${CANARY}\n`,
    execution_engine: 'tekton',
    labels: { severity: 'critical', environments: ['staging', 'production', CANARY] },
    ...fields,
  }
}
