// Writes docs/configuration.md and config/example.env from the program's own description of its settings. `--check`
// changes nothing and fails when one is stale.
import { readFile, writeFile } from 'node:fs/promises'
import { build } from 'esbuild'

const root = new URL('..', import.meta.url)
const { outputFiles } = await build({
  entryPoints: [new URL('docs-text.ts', import.meta.url).pathname],
  bundle: true,
  format: 'esm',
  platform: 'node',
  write: false,
})
const source = Buffer.from(outputFiles[0].contents).toString('base64')
const { configurationPage, exampleEnv } = await import(`data:text/javascript;base64,${source}`)

const check = process.argv.includes('--check')
for (const [file, text] of [
  ['docs/configuration.md', configurationPage()],
  ['config/example.env', exampleEnv()],
]) {
  const url = new URL(file, root)
  if ((await readFile(url, 'utf8').catch(() => '')) === text) continue
  if (check) process.exitCode = 1
  else await writeFile(url, text)
  process.stderr.write(`${file} ${check ? 'is stale: npm run docs' : 'written'}\n`)
}
