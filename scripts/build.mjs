// Builds into dist/, or the directory given: main.js, which is all that serving reads, and beside it what is loaded on
// demand, with chunks for what these share.
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

/** Loaded by every start, so it belongs into main.js; whatever else is imported dynamically does not. */
const ALWAYS = './serve.ts'
const onDemand = new Map()
const apart = {
  name: 'apart',
  setup({ onResolve, resolve }) {
    onResolve({ filter: /./ }, async ({ path, kind, resolveDir, pluginData }) => {
      if (kind !== 'dynamic-import' || path === ALWAYS || pluginData === apart) return undefined
      const found = await resolve(path, { kind, resolveDir, pluginData: apart })
      const name = `on-demand-${path
        .replace(/\.tsx?$/, '')
        .replaceAll(/^\W+|\W+$/g, '')
        .replaceAll(/\W+/g, '-')}`
      onDemand.set(name, found.path)
      return { path: `./${name}.js`, external: true }
    })
  },
}

const shared = {
  absWorkingDir: new URL('..', import.meta.url).pathname,
  outdir,
  bundle: true,
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
  define: { BUILD_VERSION: JSON.stringify(version) },
  // CommonJS packages inside an ES module still ask for `require`.
  banner: {
    js: "import { createRequire as createRequireForBundle } from 'node:module'; const require = createRequireForBundle(import.meta.url);",
  },
}

await rm(outdir, { recursive: true, force: true })
await build({ ...shared, entryPoints: ['src/main.ts'], plugins: [leaveOut, apart] })
await build({
  ...shared,
  entryPoints: [...onDemand].map(([name, path]) => ({ in: path, out: name })),
  splitting: true,
  plugins: [leaveOut],
})
await chmod(`${outdir}/main.js`, 0o755)
