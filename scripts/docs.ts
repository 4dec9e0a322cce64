// Writes generated files (parts of the chart, and systemd units), and prints the words of each English page. `--check`
// changes nothing. It fails if a file is stale or the pages have more than MAX_WORDS.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { chartFiles } from './docs-chart.ts'
import { unitFiles } from './docs-units.ts'

const MAX_WORDS = 27_000

const root = new URL('..', import.meta.url)
const check = process.argv.includes('--check')
const read = (file: string): string => {
  try {
    return readFileSync(new URL(file, root), 'utf8')
  } catch {
    return ''
  }
}

for (const [file, text] of [...chartFiles(), ...unitFiles()] as const) {
  if (read(file) === text) continue
  if (check) process.exitCode = 1
  else writeFileSync(new URL(file, root), text)
  process.stderr.write(`${file} ${check ? 'is stale: npm run docs' : 'written'}\n`)
}

const pages = ['', 'docs/', 'docs/dev/', 'helm/isales-auth-proxy/']
  .flatMap((folder) => readdirSync(new URL(folder || '.', root)).map((name) => folder + name))
  .filter((file) => file.endsWith('.md') && !file.endsWith('.zh-CN.md'))
const words = pages.map((page) => [page, read(page).split(/\s+/).filter(Boolean).length] as const)
const total = words.reduce((sum, [, count]) => sum + count, 0)
const lines = [...words, ['total', total] as const].map(([page, count]) => `${count} ${page}\n`)
if (!check) process.stdout.write(lines.join(''))
if (total > MAX_WORDS) {
  process.exitCode = 1
  process.stderr.write(`The English pages have ${total} words, more than ${MAX_WORDS}\n`)
}
