/** Nobody waits longer, whatever they ask for. */
const MAX_WAIT_S = 30

/** A quoted text; one that never ends takes all that is left. */
const QUOTED = /"(?:[^"\\]|\\.)*(?:"|\\?$)/gs

/**
 * For how many seconds the header `Prefer` (RFC 7240) asks to wait, as far as that is granted. Undefined when it does
 * not, or not so that it can be read. Of several waits the first counts.
 */
export function readWait(header: string | string[] | undefined): number | undefined {
  const preferences = String(header ?? '')
    .replaceAll(QUOTED, '""')
    .split(',')
  for (const preference of preferences) {
    const [name = '', ...rest] = preference.split(';', 1).join().split('=')
    if (name.trim().toLowerCase() !== 'wait') continue
    const seconds = rest.join('=').trim()
    return /^\d+$/.test(seconds) ? Math.min(Number(seconds), MAX_WAIT_S) : undefined
  }
  return undefined
}
