import { sql } from 'drizzle-orm'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ArrayType, binaryArray } from '../../src/db/binary-array.ts'
import { openRegistry, type Registry } from '../support/registry.ts'
import { runs } from '../support/seeded.ts'

let registry: Registry
beforeAll(async () => {
  registry = await openRegistry()
})
afterAll(() => registry.close())

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
const text = fc.string({ unit: 'binary', maxLength: 200 }).map((given) => given.replaceAll('\0', ''))

/** What an element of each type may be, as it goes in and as PostgreSQL writes it. */
const ELEMENTS: Record<ArrayType, { element: fc.Arbitrary<string>; shown: (name: string) => string }> = {
  text: { element: text, shown: (name) => name },
  jsonb: { element: fc.dictionary(text, text).map((json) => JSON.stringify(json)), shown: (name) => name },
  bytea: { element: fc.uint8Array().map(hex), shown: (name) => `encode(${name}, 'hex')` },
  uuid: { element: fc.uuid(), shown: (name) => name },
}

test.for(Object.entries(ELEMENTS) as [ArrayType, (typeof ELEMENTS)[ArrayType]][])(
  'PostgreSQL reads an array of %s as it was given, nulls and an empty one too',
  async ([type, { element, shown }]) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(element), { maxLength: 20 }), async (given) => {
        const { rows } = await registry.db.execute<{ element: unknown }>(sql`
          select ${sql.raw(shown('element'))} as element
          from unnest(${binaryArray(type, given)}::${sql.raw(type)}[]) with ordinality as given(element, ord)
          order by ord`)
        const expected = type === 'jsonb' ? given.map((json) => json && JSON.parse(json)) : given
        expect(rows.map((row) => row.element)).toEqual(expected)
      }),
      runs(60),
    )
  },
)
