// Builds into dist/, or the directory given: main.js, which starts program.js with its code cache, all that serving reads,
// and beside them what is loaded on demand, with chunks for what these share.
import { spawnSync } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { build } from 'esbuild'

const { name, version } = JSON.parse(
  await readFile(new URL('../package.json', import.meta.url), 'utf8'),
)
const outdir = resolve(process.argv[2] ?? new URL('../dist', import.meta.url).pathname)

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

/**
 * Node explains a failed assertion of undici by parsing the file that it stands in. That is one long line here: it
 * would take minutes, in which nothing is served and nothing ends.
 */
const plainAssertions = {
  name: 'plain-assertions',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(?:node:)?assert$/ }, () => ({
      path: 'assert',
      namespace: 'plain-assertions',
    }))
    onLoad({ filter: /./, namespace: 'plain-assertions' }, () => ({
      contents: `
        module.exports = (holds, message = 'an assertion failed') => {
          if (!holds) throw Object.assign(new Error(message), { code: 'ERR_ASSERTION' })
        }`,
    }))
  },
}

/** Loaded by every start, so it belongs into program.js; whatever else is imported dynamically does not. */
const ALWAYS = './serve.ts'
const onDemand = new Map()
/**
 * A file that runs from a code cache cannot import(), so import.js does it in its place. A module that exports `then` is
 * a promise to whoever imports it dynamically.
 */
const apart = {
  name: 'apart',
  setup({ onResolve, onLoad, resolve }) {
    onResolve({ filter: /./ }, async ({ path, kind, resolveDir, namespace, pluginData }) => {
      if (namespace === 'apart') return { path, external: true }
      if (kind !== 'dynamic-import' || path === ALWAYS || pluginData === apart) return undefined
      const found = await resolve(path, { kind, resolveDir, pluginData: apart })
      const chunk = `on-demand-${path
        .replace(/\.tsx?$/, '')
        .replaceAll(/^\W+|\W+$/g, '')
        .replaceAll(/\W+/g, '-')}`
      if ((onDemand.get(chunk) ?? found.path) !== found.path)
        throw new Error(`two files would be called ${chunk}`)
      onDemand.set(chunk, found.path)
      return { path: chunk, namespace: 'apart' }
    })
    onLoad({ filter: /./, namespace: 'apart' }, ({ path }) => ({
      contents: `
        export const then = (resolve, reject) =>
          require('./import.js')('./${path}.mjs').then(resolve, reject)`,
    }))
  },
}

const shared = {
  absWorkingDir: new URL('..', import.meta.url).pathname,
  outdir,
  bundle: true,
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
}

await rm(outdir, { recursive: true, force: true })
// To load an ES module takes Node some ms more, and V8 gives a code cache of one to nobody.
await build({
  ...shared,
  format: 'cjs',
  entryPoints: ['src/main.ts', 'src/program.ts'],
  plugins: [leaveOut, plainAssertions, apart],
})
const manifest = JSON.stringify({ name, version, type: 'commonjs' })
await writeFile(join(outdir, 'package.json'), `${manifest}\n`)
await writeFile(join(outdir, 'import.js'), 'module.exports = (file) => import(file)\n')
await chmod(join(outdir, 'main.js'), 0o755)
await build({
  ...shared,
  format: 'esm',
  outExtension: { '.js': '.mjs' },
  entryPoints: [...onDemand].map(([name, path]) => ({ in: path, out: name })),
  splitting: true,
  plugins: [leaveOut, plainAssertions],
  // CommonJS packages inside an ES module still ask for `require`.
  banner: {
    js: "import { createRequire as createRequireForBundle } from 'node:module'; const require = createRequireForBundle(import.meta.url);",
  },
})

/** Milliseconds; it takes half a second. */
const CACHE_TIMEOUT = 60_000
const scratch = await mkdtemp(join(tmpdir(), 'code-cache-'))
try {
  const maker = join(scratch, 'code-cache.mjs')
  await build({
    absWorkingDir: shared.absWorkingDir,
    entryPoints: ['scripts/code-cache.ts'],
    outfile: maker,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: shared.target,
  })
  // Without what this process was given: options of Node that change the code, a proxy, a setting.
  const made = spawnSync(process.execPath, [maker, join(outdir, 'program.js')], {
    cwd: scratch,
    env: {},
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    timeout: CACHE_TIMEOUT,
    killSignal: 'SIGKILL',
  })
  // No build without a cache: nobody would notice but by slow starts.
  if (made.status !== 0) {
    const why = made.error?.message ?? `it ended with ${made.status ?? made.signal}`
    throw new Error(`no code cache could be made: ${why}\n${made.stdout}${made.stderr}`)
  }
} finally {
  await rm(scratch, { recursive: true, force: true })
}
