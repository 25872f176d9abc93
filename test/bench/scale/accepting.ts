import autocannon from 'autocannon'
import { aBody } from '../generate.ts'
import type { Lab } from '../lab.ts'
import { closedLoop } from '../loads/closed-loop.ts'
import { coreMs, logBytes } from './costs.ts'
import type { Accepting } from './result.ts'

const CALLERS = 64

/** What it costs to accept a request, and to tell how one ended. */
export async function measureAccepting(lab: Lab): Promise<Accepting> {
  const seconds = lab.size(10)
  const ground = await lab.ground()
  const ingress = await lab.start('ingress', ground)
  const url = `${ingress.url}/api/v1/workflow-requests`
  const load = { url, callers: CALLERS, body: () => JSON.stringify(aBody()), status: 202 }
  await closedLoop({ ...load, seconds: 2 })
  const used = () => ({
    ingress: ingress.cpuSeconds() * 1_000,
    kafka: coreMs('java'),
    postgres: coreMs('postgres'),
    bytes: logBytes(ground.topics.requests),
  })

  const before = used()
  const { perSecond } = await closedLoop({ ...load, seconds })
  const accepted = used()
  const requests = perSecond * seconds

  const ids = await lab.query<{ id: string }>('select request_id as id from registration_request limit 1000')
  const polling = await autocannon({
    url,
    connections: CALLERS,
    duration: seconds,
    requests: ids.map(({ id }) => ({ method: 'GET', path: `/api/v1/workflow-requests/${id}` })),
  })
  if (polling.non2xx > 0 || polling.errors > 0) throw new Error('Not every status was told')
  const polled = used()
  const polls = polling.requests.total
  const peak = ingress.peakRssBytes()
  await ingress.stop()
  lab.say(`accepted ${Math.round(perSecond)} a second, told ${Math.round(polls / polling.duration)} a second`)
  return {
    perSecond,
    coreMs: {
      ingress: (accepted.ingress - before.ingress) / requests,
      kafka: (accepted.kafka - before.kafka) / requests,
    },
    peakRssBytes: peak,
    logBytes: (accepted.bytes - before.bytes) / requests,
    poll: {
      ingressCoreMs: (polled.ingress - accepted.ingress) / polls,
      postgresCoreMs: (polled.postgres - accepted.postgres) / polls,
    },
  }
}
