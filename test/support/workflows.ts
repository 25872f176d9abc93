import { randomUUID } from 'node:crypto'

/** The body of a valid registration, unlike any other unless told otherwise. */
export function aWorkflow(fields: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    workflow_name: `wf-${randomUUID()}`,
    version: '1.0.0',
    name: 'Restart pods',
    description: 'Restarts the pods of a deployment',
    content: 'apiVersion: workflows/v1\nkind: Workflow\n',
    execution_engine: 'tekton',
    labels: { severity: 'critical', environments: ['staging', 'production'] },
    ...fields,
  }
}
