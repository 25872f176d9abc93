import * as z from 'zod'

/** The limit as a JSON Schema, which it is a text for only in a URL. */
const LIMIT = { type: 'integer', minimum: 1, maximum: 500, default: 50, pattern: undefined }

/** Of lists that come in pages. */
export const paging = {
  limit: z
    .string()
    .regex(/^([1-9]\d?|[1-4]\d\d|500)$/, 'must be a whole number from 1 to 500')
    .meta({
      override: ({ jsonSchema }) => Object.assign(jsonSchema, LIMIT),
    })
    .transform(Number)
    .default(50)
    .describe('How many at most'),
  cursor: z
    .string()
    .max(1_000, 'is not one that this service gave out')
    .optional()
    .describe('Where to go on: taken from the `next` of the page before'),
}

/** A page of `items`. */
export function pageSchema<Item extends z.ZodType>(item: Item, id: string) {
  return z
    .strictObject({
      items: z.array(item),
      next: z.string().nullable().describe('The cursor of the next page; null when this is the last'),
    })
    .meta({ id })
}

/** `true` or `false`. */
export const flag = z
  .enum(['true', 'false'])
  .meta({ override: ({ jsonSchema }) => Object.assign(jsonSchema, { type: 'boolean', enum: undefined }) })
  .transform((text) => text === 'true')
