import { runRoles } from './run.ts'

await runRoles('The HTTP doors and the consumer in one process. Set in the environment:', [
  'ingress',
  'worker',
])
