import type { Lab } from './lab.ts'

/** How many workflows are stored. */
export async function storedWorkflows(lab: Lab): Promise<number> {
  const [row] = await lab.query<{ count: number }>('select count(*)::int as count from workflow')
  return row!.count
}

/** Throws when fewer workflows were stored since there were `before` than callers were told of. */
export async function checkCreated(lab: Lab, before: number, told: number): Promise<void> {
  const created = (await storedWorkflows(lab)) - before
  if (created < told) throw new Error(`of ${told} workflows, ${created} were stored`)
}
