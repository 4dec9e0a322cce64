// Writes the license of every package that the bundle may contain: node scripts/notices.mjs FILE
// Fails if a license is not on its list; there is a list for delivered packages and a list for tools.
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const ALLOWED = [
  'MIT',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'BlueOak-1.0.0',
]
/** Licenses of packages that only build and test. */
const ALLOWED_TOOLS = [...ALLOWED, 'MPL-2.0', 'CC0-1.0', 'CC-BY-3.0', 'CC-BY-4.0']
const root = fileURLToPath(new URL('..', import.meta.url))

/** Returns the notices, with one section per production dependency. */
export async function notices() {
  const { packages } = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'))
  const sections = []
  for (const [path, { version, license = 'none', dev }] of Object.entries(packages)) {
    if (path === '') continue
    const id = `${path.replace(/.*node_modules\//, '')}@${version}`
    // An SPDX expression, such as (MIT AND CC-BY-3.0).
    const licences = license.replaceAll(/[()]/g, '').split(' AND ')
    if (!licences.every((each) => (dev ? ALLOWED_TOOLS : ALLOWED).includes(each)))
      throw new Error(`${id}: the licence ${license} is not permitted`)
    if (dev) continue
    const file = (await readdir(join(root, path))).find((name) => /^licen[cs]e/i.test(name))
    if (file === undefined) throw new Error(`${id} comes without a licence file`)
    const text = await readFile(join(root, path, file), 'utf8')
    sections.push(`${id} (${license})\n\n${text.trim()}\n`)
  }
  return `isales-auth-proxy contains the packages below.\n\n${sections.join(`\n${'-'.repeat(80)}\n\n`)}`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  await writeFile(process.argv[2] ?? 'dist/THIRD-PARTY-NOTICES.txt', await notices())
