import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT, run, succeed } from './run.ts'
import { temporaryDirectory } from '../../support/temporary.ts'

export type Containers = Awaited<ReturnType<typeof createContainers>>

/** Creates a store with stand-ins for the base images. A CI machine permits no network, no build namespace and no registry. */
export const createContainers = async () => {
  const home = temporaryDirectory()
  const storage = join(home, 'storage.conf')
  const roots = `graphroot = "${home}/graph"\nrunroot = "${home}/run"\n`
  await writeFile(storage, `[storage]\ndriver = "overlay"\n${roots}`)
  const env = {
    CONTAINERS_CONF: join(ROOT, 'test/deploy/containers.conf'),
    CONTAINERS_STORAGE_CONF: storage,
    PODMAN_IGNORE_CGROUPSV1_WARNING: '1',
  }
  // conmon leaves a file in its working directory if a container runs out of memory.
  const options = { env, cwd: home, timeout: 300_000 }
  await mkdir(join(home, 'base'))
  await succeed(join(ROOT, 'test/deploy/base-images.sh'), [join(home, 'base')], options)
  await rm(join(home, 'base'), { recursive: true })

  const podman = (...args: readonly string[]) => succeed('podman', args, options)
  return {
    /** Builds the Dockerfile of the project, unchanged. */
    build(tag: string, ...args: readonly string[]) {
      const how = ['--isolation=chroot', '--network=host', '--pull=never', '--format=docker']
      // A second target reuses the layers of the first.
      return succeed('buildah', ['build', ...how, '--layers', '--tag', tag, ...args, ROOT], options)
    },
    podman,
    bash: (script: string, input: string) =>
      succeed('bash', ['-c', script], { ...options, env, input }),
    /** Like `podman`, for any exit code. */
    attempt: (...args: readonly string[]) => run('podman', args, options),
    async remove() {
      await run('podman', ['rm', '--all', '--force', '--time=2'], options)
      await run('podman', ['rmi', '--all', '--force'], options)
      // Overlay mounts of a build may outlive it.
      await run('buildah', ['umount', '--all'], options)
      await rm(home, { recursive: true, force: true })
    },
  }
}
