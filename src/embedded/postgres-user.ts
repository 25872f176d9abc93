import { chmodSync, statSync } from 'node:fs'
import type { RunAs } from './child.ts'
import { run } from './command.ts'
import { StartFailure } from './start-failure.ts'

/**
 * The user PostgreSQL runs as: ours, or `postgres` when we are root, since PostgreSQL refuses to be root.
 *
 * `mustReach` are the data folder and the binary; below a folder closed to others, such as /root, the user
 * `postgres` is given the one capability that lets it pass.
 */
export async function postgresUser(mustReach: { dataDir: string; binary: string }): Promise<RunAs> {
  if (process.getuid?.() !== 0) return {}
  const user = (await findUser()) ?? (await addUser())
  const { mode } = statSync(mustReach.dataDir)
  if ((mode & 0o001) === 0) chmodSync(mustReach.dataDir, (mode & 0o777) | 0o001)

  const plain: RunAs = { user }
  if (await reaches(plain, mustReach)) return plain
  for (const capability of ['dac_read_search', 'dac_override']) {
    const passing = capable(user, capability)
    if (await reaches(passing, mustReach)) return passing
  }
  throw new StartFailure(
    `PostgreSQL may not run as root, and the user "postgres" that it runs as instead cannot reach ${mustReach.dataDir} or ${mustReach.binary}: start as another user, or move the checkout and DATA_DIR out of folders that are closed to others.`,
  )
}

type User = { uid: number; gid: number }

async function findUser(): Promise<User | undefined> {
  const [uid, gid] = await Promise.all([run('id', ['-u', 'postgres']), run('id', ['-g', 'postgres'])])
  return uid.code === 0 && gid.code === 0 ? { uid: Number(uid.output), gid: Number(gid.output) } : undefined
}

async function addUser(): Promise<User> {
  const added = await run('useradd', [
    '--system',
    '--user-group',
    '--no-create-home',
    '--shell',
    '/bin/false',
    'postgres',
  ])
  const user = await findUser()
  if (user) return user
  const why = added.code === 'not found' ? 'there is no useradd' : added.output
  throw new StartFailure(
    `PostgreSQL may not run as root, and the user "postgres" to run it as could not be added (${why}): add that user, or start as another one.`,
  )
}

/**
 * setpriv changes the user itself: the capability would not survive a change made by spawn.
 * Without no_setuid_fixup the capability would not count in access(2), which initdb looks with.
 */
function capable(user: User, capability: string): RunAs {
  const caps = [`--inh-caps=-all,+${capability}`, `--ambient-caps=-all,+${capability}`]
  const ids = [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups']
  return { user, prefix: ['setpriv', '--securebits=+no_setuid_fixup', ...ids, ...caps] }
}

async function reaches(
  runAs: RunAs,
  { dataDir, binary }: { dataDir: string; binary: string },
): Promise<boolean> {
  const { code } = await run('sh', ['-c', 'cd "$1" && test -x "$2"', 'reaches', dataDir, binary], { runAs })
  return code === 0
}
