import openapiTS, { astToString, type OpenAPI3 } from 'openapi-typescript'
import { openApiDocument } from '../../src/http/contract/openapi.ts'

/** The reviewed document, and the types of the client that are made from it. `npm run contract` writes both. */
export const SNAPSHOT = new URL('openapi.json', import.meta.url)
export const CLIENT_TYPES = new URL('../../src/client/types.ts', import.meta.url)

/** The document as the service makes it with nothing configured. */
export function makeSnapshot(): string {
  return `${JSON.stringify(openApiDocument('https://workflow-registrar.io'), null, 2)}\n`
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
