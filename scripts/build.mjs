// Builds dist/main.js: one file for serving, and a chunk for each command that is loaded on demand.
import { chmod, readFile, rm } from 'node:fs/promises'
import { build } from 'esbuild'

const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))
const outdir = new URL('../dist/', import.meta.url).pathname

await rm(outdir, { recursive: true, force: true })
await build({
  entryPoints: ['src/main.ts'],
  absWorkingDir: new URL('..', import.meta.url).pathname,
  outdir,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  jsx: 'automatic',
  jsxImportSource: 'hono/jsx',
  sourcemap: 'linked',
  legalComments: 'none',
  define: { BUILD_VERSION: JSON.stringify(version) },
  // CommonJS packages inside an ES module still ask for `require`.
  banner: {
    js: "import { createRequire as createRequireForBundle } from 'node:module'; const require = createRequireForBundle(import.meta.url);",
  },
})
await chmod(`${outdir}main.js`, 0o755)
