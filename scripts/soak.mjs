// Builds the proxy and the soak into .tmp/ and runs it: npm run soak -- --minutes 10 --seed 7
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdir, mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
await mkdir(join(root, '.tmp'), { recursive: true })
const dir = await mkdtemp(join(root, '.tmp', 'soak-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

const built = spawnSync(process.execPath, ['scripts/build.mjs', join(dir, 'dist')], {
  cwd: root,
  stdio: 'inherit',
})
if (built.status !== 0) throw new Error('the proxy could not be built')
await build({
  entryPoints: ['scripts/soak/run.ts', 'scripts/soak/isales.ts'],
  absWorkingDir: root,
  outdir: dir,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
})
const { soak } = await import(join(dir, 'run.mjs'))
process.exitCode = await soak(process.argv.slice(2), dir)
