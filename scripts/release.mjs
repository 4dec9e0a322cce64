// Builds the files of a release in .tmp/release/: npm run release -- --dry-run
// The archive requires only Node. The release workflow signs and publishes.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { notices } from './notices.mjs'
import { buildPackages, missingTools } from './packages.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const out = join(root, '.tmp/release')
const run = (command, args, options = {}) =>
  execFileSync(command, args, { cwd: root, encoding: 'utf8', ...options })

const { values } = parseArgs({ options: { 'dry-run': { type: 'boolean', default: false } } })
const read = (file) => readFile(join(root, file), 'utf8')
const manifest = JSON.parse(await read('package.json'))
const missing = missingTools()
if (missing.length > 0) {
  const said = `Not on this machine: ${missing.join(', ')} (packages dpkg and rpm)`
  if (!values['dry-run']) throw new Error(said)
  process.stderr.write(`${said}. Their packages are left out.\n`)
}
const chart = await read('helm/isales-auth-proxy/Chart.yaml')
for (const key of ['version', 'appVersion'])
  if (!chart.includes(`\n${key}: ${manifest.version}\n`))
    throw new Error(`${key} of Chart.yaml is not ${manifest.version}`)
const sections = (await read('CHANGELOG.md')).split(/^## /m)
const notes = sections.find((section) => section.startsWith(`${manifest.version} - `))
if (notes === undefined) throw new Error(`CHANGELOG.md has no section ${manifest.version}`)
const released = notes.slice(manifest.version.length + ' - '.length).split('\n', 1)[0]
if (released === 'unreleased' && !values['dry-run'])
  throw new Error(`CHANGELOG.md has no date for ${manifest.version}`)
// A trial of an unreleased version has the date of its commit.
const date = new Date(
  released === 'unreleased' ? run('git', ['log', '-1', '--format=%cI']).trim() : released,
)
if (!values['dry-run']) {
  const tag = run('git', ['describe', '--tags', '--exact-match', '--dirty']).trim()
  if (tag !== `v${manifest.version}`) throw new Error(`${tag} is not v${manifest.version}`)
}

/**
 * Builds something twice.
 * @returns the path of the first result, which equals the second.
 */
async function twice(what, make) {
  const directories = ['first', 'second'].map((name) => join(root, '.tmp', what, name))
  const sums = []
  for (const directory of directories) {
    await rm(directory, { recursive: true, force: true })
    await mkdir(directory, { recursive: true })
    await make(directory)
    sums.push(JSON.stringify(await hashes(directory)))
  }
  if (sums[0] !== sums[1]) throw new Error(`two ${what} differ`)
  return directories[0]
}

/** Returns the SHA-256 of every file, by name. */
async function hashes(directory) {
  const all = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = all.filter((entry) => entry.isFile())
  const names = files.map((one) => relative(directory, join(one.parentPath, one.name))).sort()
  const entries = names.map(async (name) => [
    name,
    createHash('sha256')
      .update(await readFile(join(directory, name)))
      .digest('hex'),
  ])
  return Object.fromEntries(await Promise.all(entries))
}

await rm(out, { recursive: true, force: true })
await mkdir(out, { recursive: true })
const built = await twice('builds', (directory) =>
  run(process.execPath, ['scripts/build.mjs', directory]),
)
await rm(join(root, 'dist'), { recursive: true, force: true })
await cp(built, join(root, 'dist'), { recursive: true })
await writeFile(join(root, 'dist/THIRD-PARTY-NOTICES.txt'), await notices())
run('npm', ['pack', '--silent', `--pack-destination=${out}`])
const scratch = join(root, '.tmp/package')
const packages = await twice('packages', (directory) =>
  buildPackages({ root, scratch, out: directory, version: manifest.version, date }),
)
await cp(packages, out, { recursive: true })
// `npm sbom --omit=dev` omits packages that a development package also requires. It therefore runs on an installation
// without development packages.
const production = join(root, '.tmp', manifest.name)
await rm(production, { recursive: true, force: true })
await mkdir(production, { recursive: true })
for (const file of ['package.json', 'package-lock.json', '.npmrc'])
  await cp(join(root, file), join(production, file))
const quiet = { cwd: production, stdio: ['ignore', 'pipe', 'inherit'] }
run('npm', ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--silent'], quiet)
const { devDependencies: _, ...alone } = manifest
await writeFile(join(production, 'package.json'), JSON.stringify(alone))
await rm(join(production, 'package-lock.json'))
for (const format of ['cyclonedx', 'spdx']) {
  const sbom = run('npm', ['sbom', `--sbom-format=${format}`, '--sbom-type=application'], quiet)
  await writeFile(join(out, `sbom.${format}.json`), sbom)
}
await writeFile(join(root, '.tmp/release-notes.md'), notes.replace(/^.*\n+/, ''))
const sums = Object.entries(await hashes(out)).map(([name, sum]) => `${sum}  ${name}\n`)
await writeFile(join(out, 'SHA256SUMS'), sums.join(''))
process.stdout.write(`${out}\n${sums.join('')}`)
