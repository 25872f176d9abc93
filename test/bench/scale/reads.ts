import { Agent, get } from 'node:http'
import { formatCursor } from '../../../src/http/cursor.ts'
import { GENERATED } from '../generate.ts'
import type { CatalogCost } from './result.ts'
import type { Sample } from './sample.ts'
import { medianMs } from './timing.ts'

const LIST = '/api/v1/workflows'
const REQUESTS = '/api/v1/workflow-requests'

/** By what is read, where it is read; each time of something else where there is more than one. */
const READS: Readonly<Record<string, (sample: Sample, turn: number) => string>> = {
  'nothing (`/health/live`)': () => '/health/live',
  'a workflow by its id': ({ workflowIds }, turn) => `${LIST}/${workflowIds.at(turn % workflowIds.length)}`,
  'list: first page': () => LIST,
  'list: a page from the middle': ({ middleId }) => `${LIST}?cursor=${formatCursor([middleId])}`,
  'list: of a name': (sample, turn) => `${LIST}?workflow_name=${nameOf(sample, turn)}`,
  'list: by a label of 1 in 200': () => filteredBy(GENERATED.label),
  'list: by a label of 1 in 10 000': () => filteredBy(GENERATED.rareLabel),
  'list: by a label of none': () => filteredBy({ team: 'none' }),
  'list: by a status of 1 in 100': () => `${LIST}?status=disabled`,
  'list: by a status of none': () => `${LIST}?status=archived`,
  'versions of a name with 10': (sample, turn) => `${LIST}/by-name/${nameOf(sample, turn)}/versions`,
  'versions of the name with 1 000': () => `${LIST}/by-name/${GENERATED.longest}/versions`,
  'latest of a name with 10': (sample, turn) => `${LIST}/by-name/${nameOf(sample, turn)}/versions/latest`,
  'latest of the name with 1 000': () => `${LIST}/by-name/${GENERATED.longest}/versions/latest`,
  'status of a request': ({ requestIds }, turn) => `${REQUESTS}/${requestIds.at(turn % requestIds.length)}`,
  'list of requests: first page': () => REQUESTS,
  'list of requests: in conflict, none': () => `${REQUESTS}?state=conflict`,
  'list of requests: failed, none': () => `${REQUESTS}?state=failed`,
}

/** How long one caller waits for each, over HTTP. */
export async function measureReads(url: string, sample: Sample): Promise<CatalogCost['reads']> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const reads: { name: string; ms: number }[] = []
  for (const [name, pathOf] of Object.entries(READS)) {
    const ms = await medianMs((turn) => read(agent, url + pathOf(sample, turn)))
    reads.push({ name, ms })
  }
  agent.destroy()
  return reads
}

const nameOf = ({ names }: Sample, turn: number) => names.at(turn % names.length)

function filteredBy(labels: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams()
  for (const [label, value] of Object.entries(labels)) query.append(`labels[${label}]`, value)
  return `${LIST}?${query}`
}

function read(agent: Agent, url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (answer) => {
      answer.resume()
      answer.once('end', () =>
        answer.statusCode === 200 ? resolve() : reject(new Error(`${url} answered ${answer.statusCode}`)),
      )
    }).once('error', reject)
  })
}
