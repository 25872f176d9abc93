import type { ClientConfig } from 'pg'
import { parseIntoClientConfig } from 'pg-connection-string'
import { readCertificates, readKey } from '../tls.ts'
import { SYSTEM_AUTHORITIES } from './ssl-mode.ts'

const FILES = ['sslrootcert', 'sslcert', 'sslkey']

/**
 * What pg connects with, by a URL that `variable` holds. Its `sslmode` means what it means to libpq. Reads the files
 * that it names; throws a `ConfigError` where one cannot be used.
 */
export function connectionOf(variable: string, url: string): ClientConfig {
  const address = new URL(url)
  const { searchParams } = address
  if (searchParams.get('sslmode') === 'disable') for (const name of FILES) searchParams.delete(name)
  if (searchParams.get('sslrootcert') === SYSTEM_AUTHORITIES) searchParams.delete('sslrootcert')
  const [authorities, certificates, key] = FILES.map((name) => {
    const file = searchParams.get(name)
    return file ? { name: `${variable}, ${name}`, file } : undefined
  })
  if (authorities) readCertificates(authorities)
  if (certificates && key) readKey(key, readCertificates(certificates))
  if (searchParams.has('sslmode')) searchParams.set('uselibpqcompat', 'true')
  return parseIntoClientConfig(address.href)
}
