/** The values of `sslmode` that are taken, each with libpq's meaning. */
const SSL_MODES = ['disable', 'require', 'verify-ca', 'verify-full']

/** For `sslrootcert`: the authorities that Node trusts by itself. */
export const SYSTEM_AUTHORITIES = 'system'

/** What is wrong with how a database URL asks for TLS, to stand behind its variable's name; undefined when nothing is. */
export function sslComplaint(url: string): string | undefined {
  const given = [...(URL.parse(url)?.searchParams ?? [])].filter(([name]) => name.startsWith('ssl'))
  const { ssl, sslmode, sslrootcert, sslcert, sslkey } = Object.fromEntries(given)
  if (ssl !== undefined) return 'has the parameter ssl, which is not taken: say sslmode'
  const unclear = given.find(
    ([name, value], index) => value === '' || given.findIndex(([other]) => other === name) < index,
  )
  if (unclear) return `has ${unclear[0]} twice, or without a value`
  const isAnyFile = sslrootcert !== undefined || sslcert !== undefined || sslkey !== undefined
  if (sslmode === undefined)
    return isAnyFile ? 'names files for TLS, but has no sslmode: verify-full is the safe one' : undefined
  if (sslmode === 'allow' || sslmode === 'prefer')
    return `has sslmode=${sslmode}, which protects nobody and is not taken: say one of ${SSL_MODES.join(', ')}`
  if (!SSL_MODES.includes(sslmode)) return `has an sslmode that is none of ${SSL_MODES.join(', ')}`
  if ((sslcert === undefined) !== (sslkey === undefined))
    return 'has one of sslcert and sslkey, and they go together'
  if (sslmode === 'verify-ca' && sslrootcert === undefined)
    return 'has sslmode=verify-ca without sslrootcert, the authorities to trust: name their file, or say verify-full'
  if (sslrootcert === SYSTEM_AUTHORITIES && sslmode !== 'verify-full')
    return `has sslrootcert=${SYSTEM_AUTHORITIES}, which goes with sslmode=verify-full only`
  return undefined
}
