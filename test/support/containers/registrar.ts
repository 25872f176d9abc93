import { onTestFinished } from 'vitest'
import { inspectLog } from '../leaks.ts'
import { until } from '../until.ts'
import { command, docker, inspect } from './docker.ts'
import { LocalContainer } from './servers.ts'

/** A process of the service in a container of its own image. */
export interface RegistrarContainer {
  id: string
  /** What it has said so far, on both streams. */
  output(): Promise<string>
  /** Kills it with no warning; resolves when it is gone. */
  kill(): Promise<void>
}

/** Starts that process in a network until the test is over; resolves when its own health check says that it is ready. */
export async function startRegistrar(
  name: 'ingress' | 'worker' | 'all-in-one',
  network: string,
  env: Record<string, string>,
): Promise<RegistrarContainer> {
  const started = await new RegistrarProcess(process.env.REGISTRAR_IMAGE!)
    .withCommand(['node', `dist/${name}.js`])
    .withEnvironment({ ...env, HOST: '0.0.0.0', PORT: '8080' })
    .withNetworkMode(network)
    .withHealthCheck({
      test: ['CMD', 'node', 'dist/health.js', 'ready'],
      interval: 1_000,
      timeout: 5_000,
      retries: 60,
    })
    .withDroppedCapabilities('ALL')
    .withSecurityOpt('no-new-privileges:true')
    .start()
  const id = started.getId()
  const output = () => command('sh', ['-c', 'docker logs "$0" 2>&1', id])
  onTestFinished(async () => {
    inspectLog(await output())
    await docker('rm', '--force', '--volumes', id)
  })
  await until(
    `a ${name} that is ready`,
    async () => {
      const { Running, Health } = (await inspect(id)).State
      if (!Running) throw new Error(`the ${name} ended: ${await output()}`)
      return Health.Status === 'healthy'
    },
    60_000,
  )
  return {
    id,
    output,
    async kill() {
      await docker('kill', id)
      await docker('wait', id)
    },
  }
}

/** The root of its file system can't be written to. */
class RegistrarProcess extends LocalContainer {
  protected override async beforeContainerCreated() {
    await super.beforeContainerCreated()
    this.hostConfig.ReadonlyRootfs = true
  }
}
