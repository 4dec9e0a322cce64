// Builds the program into dist/, or into the directory given. Without arguments: node scripts/build.mjs
import { chmod, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const { name, version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
const outdir = resolve(process.argv[2] ?? join(root, 'dist'))

await rm(outdir, { recursive: true, force: true })
await build({
  absWorkingDir: root,
  entryPoints: ['src/main.ts'],
  outdir,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  jsx: 'automatic',
  jsxImportSource: 'hono/jsx',
  sourcemap: 'linked',
  minifyWhitespace: true,
  // A stack trace names a line: docs/dev/decisions.md.
  lineLimit: 160,
  legalComments: 'eof',
  // `debug`, of ioredis, uses it where it is installed: here only development packages bring it.
  external: ['supports-color'],
  define: { BUILD_VERSION: JSON.stringify(version) },
  // Bundled CommonJS packages call `require`, which an ES module does not have.
  banner: {
    js: "import { createRequire as bundleRequire } from 'node:module'; const require = bundleRequire(import.meta.url);",
  },
})
await writeFile(
  join(outdir, 'package.json'),
  `${JSON.stringify({ name, version, type: 'module' })}\n`,
)
const { outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: ['src/messages/doc-sections.ts'],
  bundle: true,
  format: 'esm',
  platform: 'node',
  write: false,
})
const sections = join(outdir, 'sections.mjs')
await writeFile(sections, outputFiles[0].text)
await mkdir(join(outdir, 'docs'))
const { missingSections, SERVED } = await import(pathToFileURL(sections).href)
await rm(sections)
// Every code must have its section in these pages.
for (const page of SERVED.flatMap((each) => [`docs/${each}.md`, `docs/${each}.zh-CN.md`]))
  if (existsSync(join(root, page))) await cp(join(root, page), join(outdir, page))
const missing = missingSections()
if (missing.length > 0) throw new Error(`docs/ has no section for ${missing.join(', ')}`)
await chmod(join(outdir, 'main.js'), 0o755)
