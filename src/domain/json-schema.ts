import type { ZodType } from 'zod'
import * as z from 'zod'

export type JsonSchema = Readonly<Record<string, unknown>>

/** How a schema is to be written: for which readers, and where they find the schemas that have a name. */
export interface JsonSchemaForm {
  target: 'draft-7' | 'draft-2020-12'
  /** Such as `#/components/schemas/`. */
  place: string
}

/** A JSON Schema, and by their names those that it refers to. */
export interface WrittenSchema {
  schema: JsonSchema
  named: Readonly<Record<string, JsonSchema>>
}

/** What a schema takes, as a JSON Schema. */
export function jsonSchemaOf(schema: ZodType, { target, place }: JsonSchemaForm): WrittenSchema {
  const written = JSON.stringify(z.toJSONSchema(schema, { io: 'input', target }))
  const { $schema, $defs, definitions, ...rest } = JSON.parse(
    written.replaceAll(/"#\/(\$defs|definitions)\//g, `"${place}`),
  )
  return { schema: rest, named: $defs ?? definitions ?? {} }
}
