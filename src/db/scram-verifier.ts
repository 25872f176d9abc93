import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'

const ITERATIONS = 4096
const BYTES = 32

/**
 * What PostgreSQL keeps of a password (RFC 5803). Given this in place of it, a statement that makes a role says nothing
 * that a server's log, or whoever reads it, could log in with.
 */
export function scramVerifier(password: string): string {
  const salt = randomBytes(16)
  const salted = pbkdf2Sync(prepared(password), salt, ITERATIONS, BYTES, 'sha256')
  const keyed = (text: string) => createHmac('sha256', salted).update(text).digest()
  const storedKey = createHash('sha256').update(keyed('Client Key')).digest('base64')
  const serverKey = keyed('Server Key').toString('base64')
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${storedKey}:${serverKey}`
}

/** As both ends prepare a password (RFC 4013): spaces are one kind of space, and some characters are nothing. */
function prepared(password: string): string {
  return password
    .replaceAll(/[\p{Zs}\u200b]/gu, ' ')
    .replaceAll(MAPPED_TO_NOTHING, '')
    .normalize('NFKC')
}

const MAPPED_TO_NOTHING =
  /\u00ad|\u034f|\u1806|[\u180b-\u180d]|[\u200c\u200d]|\u2060|[\ufe00-\ufe0f]|\ufeff/gu
