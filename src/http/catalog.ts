import type { FastifyInstance } from 'fastify'
import type { Catalog, ChangeWorkflow, WorkflowRow } from '../db/catalog.ts'
import { readChange } from '../domain/change.ts'
import { isUuid } from '../domain/ids.ts'
import { detailOf, type MakeProblem } from '../domain/problem.ts'
import { compareVersions, highestFirst, isPrerelease, isVersion } from '../domain/semver.ts'
import {
  changeWorkflow,
  getLatestVersion,
  getVersion,
  getWorkflow,
  listVersions,
  listWorkflows,
} from './contract/workflows.ts'
import { bytesOf } from './create-request.ts'
import { pageOf, placeIn } from './page.ts'
import { HttpProblem } from './problems.ts'
import { serve } from './serve.ts'

export interface CatalogRoutesParts {
  catalog: Catalog
  change: ChangeWorkflow
  makeProblem: MakeProblem
}

/** What is registered: lists, single workflows, and the change of a status. */
export function catalogRoutes({ catalog, change, makeProblem }: CatalogRoutesParts) {
  return async function catalogOverHttp(app: FastifyInstance) {
    serve(app, listWorkflows, makeProblem, async (call) => {
      const { limit, cursor, include_content: withContent = false, ...filter } = call.query
      const [before] = placeIn(cursor, [isUuid], makeProblem) ?? []
      const ids = await catalog.idsOf(filter, { before, limit: limit + 1 })
      const items = await catalog.someOf(ids.slice(0, limit), { withContent })
      return pageOf(call, {
        ...{ items, isLast: items.length >= ids.length, href: listWorkflows.url },
        keysOf: ({ workflow_id }) => [workflow_id],
      })
    })

    serve(app, getWorkflow, makeProblem, async ({ params: { workflow_id } }) =>
      found(isUuid(workflow_id) ? await catalog.byId(workflow_id) : undefined, NO_SUCH_ID),
    )

    serve(app, changeWorkflow, makeProblem, async ({ params: { workflow_id }, request }) => {
      const read = readChange(bytesOf(request))
      if (!read.change)
        throw new HttpProblem(makeProblem(read.reason, detailOf(read.errors), { errors: read.errors }))
      return found(isUuid(workflow_id) ? await change(workflow_id, read.change) : undefined, NO_SUCH_ID)
    })

    serve(app, listVersions, makeProblem, async (call) => {
      const { workflow_name } = call.params
      const { limit, cursor, include_content: withContent = false } = call.query
      const [after] = placeIn(cursor, [isVersion], makeProblem) ?? []
      const versions = await catalog.versionsOf(workflow_name)
      const rest = versions.filter(
        ({ version }) => after === undefined || compareVersions(version, after) < 0,
      )
      const ids = highestFirst(rest).map(({ workflow_id }) => workflow_id)
      const items = await catalog.someOf(ids.slice(0, limit), { withContent })
      const href = listVersions.url.replace(':workflow_name', () => encodeURIComponent(workflow_name))
      return pageOf(call, {
        ...{ items, isLast: items.length >= ids.length, href },
        keysOf: ({ version }) => [version],
      })
    })

    serve(app, getLatestVersion, makeProblem, async ({ params, query }) => {
      const { include_prereleases: takesPrereleases = false } = query
      const isCandidate = ({ status, version }: Pick<WorkflowRow, 'status' | 'version'>) =>
        status === 'active' && (takesPrereleases || !isPrerelease(version))
      for (;;) {
        const versions = await catalog.versionsOf(params.workflow_name)
        const [latest] = highestFirst(versions.filter(isCandidate))
        const workflow = found(
          latest && (await catalog.byId(latest.workflow_id)),
          'There is no active workflow with this name',
        )
        if (isCandidate(workflow)) return workflow // or it was changed in between
      }
    })

    serve(app, getVersion, makeProblem, async ({ params: { workflow_name, version } }) =>
      found(
        await catalog.byVersion(workflow_name, version),
        'There is no workflow with this name and version',
      ),
    )
  }

  function found<T>(workflow: T | undefined, otherwise: string): T {
    if (workflow !== undefined) return workflow
    throw new HttpProblem(makeProblem('not-found', otherwise))
  }
}

const NO_SUCH_ID = 'There is no workflow with this id'
