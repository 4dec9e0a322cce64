// Builds main.js into dist/, or the directory given: a chunk for each command is loaded on demand.
import { chmod, readFile, rm } from 'node:fs/promises'
import { build } from 'esbuild'

const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))
const outdir = process.argv[2] ?? new URL('../dist', import.meta.url).pathname

/** HTTP/2 and FormData bodies are never asked of undici: allowH2 is false, and a body is bytes. */
const NEVER_REACHED = /\/undici\/lib\/(?:dispatcher\/client-h2|web\/fetch\/body)\.js$/
const leaveOut = {
  name: 'leave-out',
  setup({ onLoad }) {
    onLoad({ filter: NEVER_REACHED }, () => ({
      contents: 'module.exports = () => { throw new Error("left out of the bundle") }',
    }))
  },
}

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
  // A start reads and compiles all of it. Names stay as they are, so that stacks can be read.
  minifyWhitespace: true,
  minifySyntax: true,
  plugins: [leaveOut],
  define: { BUILD_VERSION: JSON.stringify(version) },
  // CommonJS packages inside an ES module still ask for `require`.
  banner: {
    js: "import { createRequire as createRequireForBundle } from 'node:module'; const require = createRequireForBundle(import.meta.url);",
  },
})
await chmod(`${outdir}/main.js`, 0o755)
