import { alternate, type Sides } from '../alternate.ts'
import { atLeast, type Figure } from '../figure.ts'
import { aBody } from '../generate.ts'
import type { Lab } from '../lab.ts'
import { closedLoop } from '../loads/closed-loop.ts'

export const accept: Figure = {
  name: 'accept',
  about:
    '202 a second at 64 callers, no worker ÷ bare Fastify that parses JSON, on the same batching producer',
  async measure(lab) {
    const sides: Sides = {
      unit: '202/s',
      rounds: 5,
      ours: () => accepted(lab, (ground) => lab.start('ingress', ground)),
      limit: () => accepted(lab, (ground) => lab.startLimit('bare-accept', ground)),
    }
    return [await alternate(lab, 'accept', atLeast(0.65, 0.85), sides)]
  },
}

/** How many requests a server accepts in a second, once it is warm. */
export async function accepted(
  lab: Lab,
  start: (ground: Awaited<ReturnType<Lab['ground']>>) => ReturnType<Lab['start']>,
): Promise<number> {
  const server = await start(await lab.ground())
  const load = {
    url: `${server.url}/api/v1/workflow-requests`,
    callers: 64,
    body: () => JSON.stringify(aBody()),
    status: 202,
  }
  await closedLoop({ ...load, seconds: 2 })
  const { perSecond } = await closedLoop({ ...load, seconds: lab.size(8) })
  await server.stop()
  return perSecond
}
