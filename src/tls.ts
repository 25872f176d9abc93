import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { ConfigError } from './config.ts'

/** Why two sides do not come to speak TLS with each other, which no waiting mends. */
export type TlsTrouble =
  | 'untrusted'
  | 'other-host'
  | 'out-of-date'
  | 'ours-refused'
  | 'no-common-version'
  | 'not-spoken'
  | 'wanted'

/** Codes beside those of Node's: the other side does not speak TLS; it speaks nothing else. */
export const TLS_NOT_SPOKEN = 'TLS_NOT_SPOKEN'
export const TLS_WANTED = 'TLS_WANTED'

/** The first that fits decides. */
const TROUBLES: readonly (readonly [code: RegExp, trouble: TlsTrouble])[] = [
  [/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/, 'out-of-date'],
  [/^(ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH)$/, 'other-host'],
  [
    /^(UNABLE_TO_(VERIFY|GET)_|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED_CERT|INVALID_(CA|PURPOSE)$)/,
    'untrusted',
  ],
  [/^CERT_(SIGNATURE_FAILURE|UNTRUSTED|REJECTED|REVOKED|CHAIN_TOO_LONG)$/, 'untrusted'],
  [/^ERR_SSL_.*ALERT.*_(CERTIFICATE|CERTIFICATE_[A-Z]+|UNKNOWN_CA|ACCESS_DENIED)$/, 'ours-refused'],
  [/^ERR_SSL_(UNSUPPORTED_PROTOCOL|.*ALERT.*_(PROTOCOL_VERSION|HANDSHAKE_FAILURE))$/, 'no-common-version'],
  [/^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST)$/, 'not-spoken'],
  [new RegExp(`^${TLS_NOT_SPOKEN}$`), 'not-spoken'],
  [new RegExp(`^${TLS_WANTED}$`), 'wanted'],
]

/** What an error code says of TLS; undefined when nothing, or nothing that stays so. */
export function tlsTrouble(code: string): TlsTrouble | undefined {
  return TROUBLES.find(([pattern]) => pattern.test(code))?.[1]
}

/** What a file is named by, in a sentence, and where it is. */
export interface NamedFile {
  name: string
  file: string
}

/** The PEM text of a file of certificates. Throws a `ConfigError` when it has none. */
export function readCertificates(of: NamedFile): string {
  return readPem(of, 'certificate', (pem) => new X509Certificate(pem))
}

/** The PEM text of a private key, which must be that of the certificate. Throws a `ConfigError`. */
export function readKey(of: NamedFile, certificates: string): string {
  const pem = readPem(of, 'private key without a passphrase', createPrivateKey)
  if (!new X509Certificate(certificates).checkPrivateKey(createPrivateKey(pem)))
    throw new ConfigError(
      `${of.name}: the private key in ${of.file} is not that of the certificate beside it`,
    )
  return pem
}

function readPem({ name, file }: NamedFile, what: string, parse: (pem: string) => unknown): string {
  let pem: string
  try {
    pem = readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`
    throw new ConfigError(`${name}: ${file}: ${why}`, { cause: error })
  }
  try {
    parse(pem)
    return pem
  } catch {
    throw new ConfigError(`${name}: ${file}: it holds no ${what} in PEM`)
  }
}
