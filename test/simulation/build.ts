// Bundles the program with its world, so that modules and their order are the same in each run.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'esbuild'

const test = fileURLToPath(new URL('..', import.meta.url))
export const root = join(test, '..')

/** Puts patches.ts and its imports into one file, which is loaded first and imported by all others. */
const patchesFirst: Plugin = {
  name: 'patches-first',
  setup(builder) {
    builder.onResolve({ filter: /^\.\/(?:loop|network|patches)\.ts$/ }, () => ({
      path: './patches.mjs',
      external: true,
    }))
  },
}

/** @returns the path of the bundle of a file below `test/`. */
export async function bundleFile(
  file: string,
  outfile: string,
  plugins: readonly Plugin[],
): Promise<string> {
  await build({
    entryPoints: [join(test, file)],
    outfile,
    plugins: [...plugins],
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
  })
  return outfile
}

/** @returns the path of the worker. */
export async function bundle(directory: string, plugins: readonly Plugin[] = []): Promise<string> {
  await bundleFile('simulation/patches.ts', join(directory, 'patches.mjs'), [])
  const worker = join(directory, 'worker.mjs')
  await bundleFile('simulation/worker.ts', worker, [patchesFirst, ...plugins])
  const entry = join(directory, 'entry.mjs')
  await writeFile(entry, "await import('./patches.mjs')\nawait import('./worker.mjs')\n")
  return entry
}
