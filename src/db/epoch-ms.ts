/** A time, in SQL, as ms since 1970. */
export const epochMs = (column: string) => `(extract(epoch from ${column}) * 1000)::float8`
