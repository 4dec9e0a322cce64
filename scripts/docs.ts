// Writes generated files: parts of the chart, and systemd units. `--check` changes nothing, and fails if a file is
// stale.
import { readFile, writeFile } from 'node:fs/promises'
import { chartFiles } from './docs-chart.ts'
import { unitFiles } from './docs-units.ts'

const root = new URL('..', import.meta.url)
const check = process.argv.includes('--check')
for (const [file, text] of [...chartFiles(), ...unitFiles()] as const) {
  const url = new URL(file, root)
  if ((await readFile(url, 'utf8').catch(() => '')) === text) continue
  if (check) process.exitCode = 1
  else await writeFile(url, text)
  process.stderr.write(`${file} ${check ? 'is stale: npm run docs' : 'written'}\n`)
}
