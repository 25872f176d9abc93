/** An opaque text for the place in a list after the item that has these sort keys. */
export function formatCursor(parts: readonly string[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url')
}

/** The sort keys in a cursor; undefined when it is none of ours, or has another number of them. */
export function parseCursor(text: string, count: number): string[] | undefined {
  const parts = textsIn(Buffer.from(text, 'base64url').toString())
  if (parts?.length !== count) return undefined
  return formatCursor(parts) === text ? parts : undefined // the decoder passes over what it does not know
}

function textsIn(json: string): string[] | undefined {
  try {
    const value: unknown = JSON.parse(json)
    return Array.isArray(value) && value.every((part) => typeof part === 'string') ? value : undefined
  } catch {
    return undefined
  }
}
