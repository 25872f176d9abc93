import { runRoles } from './run.ts'

await runRoles('The consumer alone, with its health on HTTP. Set in the environment:', ['worker'])
