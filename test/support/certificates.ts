import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** A certificate and its private key: PEM files, and both in one as Kafka wants them. */
export interface Certificate {
  certFile: string
  keyFile: string
  bothFile: string
}

export interface Authority extends Certificate {
  /** Signs a certificate for a host or a person. `days` may be negative: then it has expired. */
  sign(subject: string, options?: { hosts?: string[]; days?: number }): Certificate
}

/** Makes an authority of one's own in `folder`, with the `openssl` of the machine. */
export function makeAuthority(folder: string, name: string): Authority {
  const authority = files(folder, name)
  openssl('req', '-x509', ...NEW_KEY, ...subject(name), ...out(authority))
  return {
    ...authority,
    sign(person, { hosts = [], days = 2 } = {}) {
      const signed = files(folder, `${name}-${person}`)
      const request = path.join(folder, `${person}.csr`)
      const extensions = path.join(folder, `${person}.ext`)
      openssl('req', ...NEW_KEY, ...subject(person), '-keyout', signed.keyFile, '-out', request)
      writeFileSync(extensions, hosts.length > 0 ? `subjectAltName=${hosts.join(',')}\n` : '')
      const by = ['-CA', authority.certFile, '-CAkey', authority.keyFile, '-CAcreateserial']
      const what = ['-days', String(days), '-extfile', extensions, '-out', signed.certFile]
      openssl('x509', '-req', '-in', request, ...by, ...what)
      writeFileSync(
        signed.bothFile,
        readFileSync(signed.keyFile, 'utf8') + readFileSync(signed.certFile, 'utf8'),
      )
      return signed
    },
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc']

function files(folder: string, name: string): Certificate {
  const at = (suffix: string) => path.join(folder, `${name}${suffix}.pem`)
  return { certFile: at(''), keyFile: at('-key'), bothFile: at('-both') }
}

function subject(name: string): string[] {
  return ['-subj', `/CN=${name}`]
}

function out({ certFile, keyFile }: Certificate): string[] {
  return ['-keyout', keyFile, '-out', certFile]
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
