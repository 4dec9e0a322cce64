// Writes the licence of every package that the bundle may hold: node scripts/notices.mjs FILE
// Fails when a licence is not on its list: one for what is delivered, one for the tools.
import { writeFile } from 'node:fs/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { init } from 'license-checker-rseidelsohn'

const ALLOWED = [
  'MIT',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'BlueOak-1.0.0',
]
/** Packages that build and test, and are no part of what is delivered. */
const ALLOWED_TOOLS = [...ALLOWED, 'MPL-2.0', 'CC0-1.0', 'CC-BY-3.0', 'CC-BY-4.0']
const root = fileURLToPath(new URL('..', import.meta.url))

/** The text of the notices, one section for each production dependency. */
export async function notices() {
  const { name, version } = await import('../package.json', { with: { type: 'json' } }).then(
    (json) => json.default,
  )
  const list = promisify(init)
  const common = { start: root, excludePackages: `${name}@${version}` }
  await list({ ...common, onlyAllow: ALLOWED_TOOLS.join(';') })
  const packages = await list({
    ...common,
    production: true,
    onlyAllow: ALLOWED.join(';'),
    customFormat: { licenseText: '', copyright: '' },
  })
  const sections = Object.entries(packages).map(([id, { licenses, licenseText, licenseFile }]) => {
    if (!/licen[cs]e/i.test(licenseFile ?? ''))
      throw new Error(`${id} comes without a licence file`)
    return `${id} (${String(licenses)})\n\n${licenseText.trim()}\n`
  })
  return `isales-auth-proxy contains the packages below.\n\n${sections.join(`\n${'-'.repeat(80)}\n\n`)}`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  await writeFile(process.argv[2] ?? 'dist/THIRD-PARTY-NOTICES.txt', await notices())
