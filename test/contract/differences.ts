/** Where two JSON values differ, a line each: RFC 6901, and what is there. */
export function differences(old: unknown, now: unknown, pointer = ''): string[] {
  if (!isContainer(old) || !isContainer(now) || Array.isArray(old) !== Array.isArray(now))
    return old === now ? [] : [`changed ${pointer}: ${short(old)} → ${short(now)}`]
  const names = new Set([...Object.keys(old), ...Object.keys(now)])
  return [...names].flatMap((name) => {
    const below = `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
    if (!Object.hasOwn(now, name)) return [`removed ${below}: ${short(old[name])}`]
    if (!Object.hasOwn(old, name)) return [`added ${below}: ${short(now[name])}`]
    return differences(old[name], now[name], below)
  })
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function short(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length > 120 ? `${text.slice(0, 119)}…` : text
}
