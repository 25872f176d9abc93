import { acceptWorkflow } from './workflow-requests.ts'
import { createWorkflow, createWorkflows } from './workflows.ts'

/** The operations that register workflows. */
export const REGISTERING = [acceptWorkflow, createWorkflow, createWorkflows] as const
