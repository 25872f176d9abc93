import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { obtain } from './obtain.ts'

/** Has `docker` be a script, which knows no image yet. */
function withDocker(pull: string): void {
  const folder = mkdtempSync(path.join(tmpdir(), 'workflow-registrar-test-'))
  const file = path.join(folder, 'docker')
  writeFileSync(file, `#!/bin/sh\n[ "$1" = pull ] || exit 1\n${pull}\n`)
  chmodSync(file, 0o755)
  vi.stubEnv('PATH', `${folder}:/usr/bin:/bin`)
  onTestFinished(() => {
    vi.unstubAllEnvs()
    rmSync(folder, { recursive: true })
  })
}

test('a registry that does not answer is not waited for', async () => {
  withDocker('exec sleep 600')
  expect(await obtain('one', { registryLimitMs: 100 })).toBe('its registry does not answer')
})

test('one that answers may take its time', async () => {
  withDocker('echo pulling; exec sleep 2.5')
  expect(await obtain('one', { registryLimitMs: 2_000 })).toBeUndefined()
})

test('what it complains of is told', async () => {
  withDocker('echo "no such host" >&2; exit 1')
  expect(await obtain('one')).toContain('no such host')
})
