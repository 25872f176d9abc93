import createClient, { type Client, type ClientOptions, type Middleware, mergeHeaders } from 'openapi-fetch'
import type { components, paths } from './types.ts'
import { type WaitForOutcome, waitForOutcomeWith } from './wait-for-outcome.ts'

export { executionEngineValues, outcomeValues, requestStateValues, workflowStatusValues } from './types.ts'
export { type EndedRequest, ProblemError, type WaitForOutcome, type WaitOptions } from './wait-for-outcome.ts'
export type { paths }

type Schemas = components['schemas']

/** A workflow to register. */
export type CreateWorkflow = Schemas['CreateWorkflow']
/** A workflow of the catalog. */
export type Workflow = Schemas['Workflow']
export type WorkflowSummary = Schemas['WorkflowSummary']
export type WorkflowChange = Schemas['WorkflowChange']
export type WorkflowStatus = Schemas['WorkflowStatus']
export type ExecutionEngine = Schemas['ExecutionEngine']
/** Why something is not so, the same object on every surface (RFC 9457). */
export type Problem = Schemas['Problem']
export type FieldError = Schemas['FieldError']
/** What a request came to. */
export type RequestDocument = Schemas['RequestDocument']
export type RequestState = Schemas['RequestState']
export type Outcome = Schemas['Outcome']
export type DryRun = Schemas['DryRun']
export type BatchResult = Schemas['BatchResult']
export type ItemResult = Schemas['ItemResult']

/** `GET`, `POST` and `PATCH` take a path of the API; what they take and answer is typed by it. */
export interface RegistrarClient extends Client<paths> {
  waitForOutcome: WaitForOutcome
}

export type RegistrarClientOptions = ClientOptions & {
  baseUrl: string
  /** Asked before each request for the token to send with it; with none, it goes out without. What it throws is thrown. */
  token?: () => string | undefined | Promise<string | undefined>
}

/**
 * A client of the service at `baseUrl`. The other options are those of openapi-fetch: headers, a `fetch` of one's
 * own, … Throws a `TypeError` where no request can be made of them.
 */
export function createRegistrarClient({ token, ...options }: RegistrarClientOptions): RegistrarClient {
  assertUsable(options)
  const client = createClient<paths>(options)
  if (token) client.use(bearing(token))
  return Object.assign(client, { waitForOutcome: waitForOutcomeWith(client, options.fetch) })
}

function bearing(token: NonNullable<RegistrarClientOptions['token']>): Middleware {
  return {
    async onRequest({ request }) {
      const given = await token()
      if (given !== undefined) bear(given, request.headers)
    },
  }
}

/** The platform's own words for a wrong one would have it in them. */
function bear(token: string, headers: Headers): void {
  try {
    headers.set('authorization', `Bearer ${token}`)
  } catch {
    throw new TypeError('The token has characters that no header may have')
  }
}

/** Later, a wrong option would look like a failure of the connection, which is a `TypeError` too. */
function assertUsable(options: RegistrarClientOptions): void {
  const { baseUrl, headers, Request = globalThis.Request } = options
  const { protocol } = new URL(new Request(baseUrl, { headers: mergeHeaders(headers) }).url)
  if (protocol !== 'http:' && protocol !== 'https:')
    throw new TypeError(`The base URL begins with ${protocol}, not with http: or https:`)
}
