import openapiTS, { astToString, type OpenAPI3 } from 'openapi-typescript'
import { parseConfig } from '../../src/config.ts'
import { openApiDocument } from '../../src/http/contract/openapi.ts'
import { asyncApiDocument } from '../../src/kafka/contract/asyncapi.ts'

/** The reviewed documents, and the types of the client that are made from one. `npm run contract` writes them all. */
export const SNAPSHOT = new URL('openapi.json', import.meta.url)
export const ASYNCAPI_SNAPSHOT = new URL('asyncapi.json', import.meta.url)
export const CLIENT_TYPES = new URL('../../src/client/types.ts', import.meta.url)

/** The document as the service makes it with nothing configured. */
export function makeSnapshot(): string {
  return written(openApiDocument('https://workflow-registrar.io'))
}

/** The same of the other one. */
export function makeAsyncApiSnapshot(): string {
  const { topics, problemBaseUrl } = parseConfig({})
  return written(asyncApiDocument(topics, problemBaseUrl))
}

function written(document: object): string {
  return `${JSON.stringify(document, null, 2)}\n`
}

export async function makeClientTypes(snapshot: string): Promise<string> {
  const document: OpenAPI3 = JSON.parse(snapshot, strict)
  const nodes = await openapiTS(document, { enumValues: true, emptyObjectsUnknown: true, silent: true })
  return `/** Made from test/contract/openapi.json by \`npm run contract\`. */\n\n${astToString(nodes)}`
}

/** Leaves out what the service takes from anybody, and what as a type would let any mistake pass. */
function strict(name: string, value: unknown): unknown {
  if (name === 'patternProperties') return undefined
  if (name === 'anyOf' && Array.isArray(value))
    return value.filter((schema) => Object.keys(schema).length > 0)
  return value
}
