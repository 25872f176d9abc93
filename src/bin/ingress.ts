import { runRoles } from './run.ts'

await runRoles('The HTTP doors alone. Set in the environment:', ['ingress'])
