// Bundles the program with its world, so that what is loaded, and in which order, is the same each time.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'esbuild'

const here = fileURLToPath(new URL('.', import.meta.url))
export const root = join(here, '..', '..')

/** What patches.ts holds is in one file that is loaded first; everybody else imports that. */
const patchesFirst: Plugin = {
  name: 'patches-first',
  setup(builder) {
    builder.onResolve({ filter: /^\.\/(?:loop|network|patches)\.ts$/ }, () => ({
      path: './patches.mjs',
      external: true,
    }))
  },
}

const common = {
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  jsx: 'automatic',
  jsxImportSource: 'hono/jsx',
  packages: 'external',
  sourcemap: 'inline',
  define: { BUILD_VERSION: '"simulated"' },
  logLevel: 'warning',
} as const

/** @returns the path of the bundle of a file below `test/`. */
export async function bundleFile(
  file: string,
  directory: string,
  plugins: readonly Plugin[],
): Promise<string> {
  const outfile = join(directory, 'bundle.mjs')
  const entry = join(here, '..', file)
  await build({ ...common, entryPoints: [entry], outfile, plugins: [...plugins] })
  return outfile
}

/** @returns the path of the worker. */
export async function bundle(directory: string, plugins: readonly Plugin[] = []): Promise<string> {
  await mkdir(directory, { recursive: true })
  await build({
    ...common,
    entryPoints: [join(here, 'patches.ts')],
    outfile: join(directory, 'patches.mjs'),
  })
  const worker = join(directory, 'worker.mjs')
  await build({
    ...common,
    entryPoints: [join(here, 'worker.ts')],
    outfile: worker,
    plugins: [patchesFirst, ...plugins],
  })
  await writeFile(
    join(directory, 'entry.mjs'),
    "await import('./patches.mjs')\nawait import('./worker.mjs')\n",
  )
  return join(directory, 'entry.mjs')
}
