import type { ZodObject } from 'zod'
import { createBodySchema } from '../../domain/create-body.ts'
import { EVENT_SCHEMA_HREFS, replyDocumentSchema } from '../../domain/document.ts'
import { type JsonSchema, jsonSchemaOf } from '../../domain/json-schema.ts'

type Schemas = Readonly<Record<string, JsonSchema>>

/** Draft 7 is what AsyncAPI is read with. Nothing in these schemas means another thing in draft 2020-12. */
const form = (place: string) => ({ target: 'draft-7', place }) as const

/** What each event carries, by the names of its parts. */
const DATA = {
  requested: {
    name: 'CreateWorkflow',
    title: 'The data of a request to register a workflow',
    write: (place: string): Schemas => {
      const { schema, named } = createBodySchema(form(place))
      return { CreateWorkflow: schema, ...named }
    },
  },
  completed: {
    name: 'ReplyDocument',
    title: 'The data of a reply: how a request ended',
    write: (place: string): Schemas => jsonSchemaOf(replyDocumentSchema, form(place)).named,
  },
} as const

const COMPONENTS = '#/components/schemas/'

/** All that the messages carry, for the components of a document. */
export function componentSchemas(): Schemas {
  return { ...DATA.requested.write(COMPONENTS), ...DATA.completed.write(COMPONENTS) }
}

export const dataOf = (event: keyof typeof DATA) => ({ $ref: COMPONENTS + DATA[event].name })

/** A schema for headers or an envelope, whose parts with a name are among the components. */
export function plainSchema(schema: ZodObject) {
  const { properties, required, ...rest } = jsonSchemaOf(schema, form(COMPONENTS)).schema
  return { ...rest, properties: properties as Schemas, required: (required ?? []) as readonly string[] }
}

/** What each event carries as a JSON Schema that needs no other. Their ids lie below `baseUrl`. */
export function eventSchemas(baseUrl: string): Record<keyof typeof DATA, JsonSchema> {
  const standalone = (event: keyof typeof DATA): JsonSchema => {
    const { name, title, write } = DATA[event]
    return {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $id: baseUrl + EVENT_SCHEMA_HREFS[event],
      title,
      $ref: `#/$defs/${name}`,
      $defs: write('#/$defs/'),
    }
  }
  return { requested: standalone('requested'), completed: standalone('completed') }
}
