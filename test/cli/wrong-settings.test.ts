import { chmodSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import { environment } from '../behaviour/secrets-stand.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { builtProgram } from './program.ts'
import { runHere } from './stand.ts'

// One wrong setting a row: the start and `check` say the same, in both languages.

const DER = join(temporaryDirectory(), 'ca.der')
writeFileSync(DER, '\u0030\u0082')
const ALL_INTERFACES = { LISTEN: '0.0.0.0:8080', OBS_LOGIN: undefined, OBS_USER: undefined }
const USERNAME = { ISALES_USER: undefined, ISALES_USERNAME: 'obs' }
const REFUSED: Readonly<Record<string, readonly [Environment, RegExp]>> = {
  'quotes around ISALES_URL': [
    { ISALES_URL: '"https://isales.example"' },
    /ISALES_URL contains " \(U\+0022\): the quotes of an env file are part of the value/,
  ],
  'a full-width colon in ISALES_URL': [
    { ISALES_URL: 'https：//isales.example' },
    /ISALES_URL contains "：" \(U\+FF1A\): write : instead/,
  ],
  'quotes around HTTPS_PROXY': [
    { HTTPS_PROXY: '"http://proxy.example:3128"' },
    /HTTPS_PROXY contains " \(U\+0022\): the quotes/,
  ],
  'a full-width colon in SESSION_STORE_URL': [
    { SESSION_STORE_URL: 'redis://store.example：6379' },
    /SESSION_STORE_URL contains "：" \(U\+FF1A\): write : instead/,
  ],
  'quotes around NO_PROXY': [
    { NO_PROXY: '"isales.example"' },
    /NO_PROXY contains " \(U\+0022\): the quotes .* Write it like NO_PROXY=/,
  ],
  'semicolons in NO_PROXY': [
    { NO_PROXY: 'localhost;isales.example' },
    /NO_PROXY contains ; \(U\+003B\): its entries are separated by commas\. Write it like/,
  ],
  'an ideographic comma in NO_PROXY': [
    { NO_PROXY: 'localhost、isales.example' },
    /NO_PROXY contains 、 \(U\+3001\): its entries are separated by commas/,
  ],
  'a port over 65535 in ISALES_URL': [
    { ISALES_URL: 'https://isales.example:84433' },
    /ISALES_URL has a port over 65535\. Write it like/,
  ],
  'a port over 65535 in HTTPS_PROXY': [
    { HTTPS_PROXY: 'http://user:70000@proxy.example:312800' },
    /HTTPS_PROXY has a port over 65535\. /,
  ],
  'a port over 65535 in SESSION_STORE_URL': [
    { SESSION_STORE_URL: 'rediss://user:p@[::1]:637900/1' },
    /SESSION_STORE_URL has a port over 65535\. /,
  ],
  'quotes around a port': [
    { LISTEN: '"127.0.0.1:8080"' },
    /LISTEN contains " \(U\+0022\): the quotes .* Write it like LISTEN=127/,
  ],
  'quotes around STATE_DIR': [{ STATE_DIR: '"/state"' }, /STATE_DIR contains " .*: the quotes/],
  'quotes around the path of a password': [
    { ISALES_PASSWORD: undefined, ISALES_PASSWORD_FILE: "'/etc/password'" },
    /ISALES_PASSWORD_FILE contains ' .*: the quotes/,
  ],
  'a full-width colon in LISTEN': [
    { LISTEN: '127.0.0.1：8080' },
    /LISTEN contains "：" \(U\+FF1A\): write : instead/,
  ],
  'a full-width comma in a list': [
    { ALLOWED_HOSTS: 'a.example，b.example' },
    /ALLOWED_HOSTS has an entry that contains "，" \(U\+FF0C\): write , instead/,
  ],
  'a space without break in ISALES_URL': [
    { ISALES_URL: 'https://isales.\u00a0example' },
    /ISALES_URL contains ".*" \(U\+00A0\): no URL has it/,
  ],
  'a certificate in DER': [
    { ISALES_CA_FILE: DER },
    /ISALES_CA_FILE names a file without a PEM certificate: \/.* `openssl x509 -inform der` makes/,
  ],
  'LISTEN on all interfaces without OBS_USER': [
    ALL_INTERFACES,
    /OBS_USER is not set, although .* because other machines can reach LISTEN\. Set OBS_USER/,
  ],
  ISALES_USERNAME: [USERNAME, /ISALES_USERNAME is not a setting\. Did you mean ISALES_USER\?/],
}

describe('the start and check say the same of', () => {
  it.each(Object.entries(REFUSED))('%s', async (_, [wrong, words]) => {
    for (const LANG of ['C', 'zh_CN.UTF-8']) {
      const env = { ...environment('http://127.0.0.1:1'), ...wrong, LANG, LOG_FORMAT: 'pretty' }
      const { stderr, code } = await runHere(['serve'], { env })
      const check = await runHere(['check', '--live', '--quiet'], { env })
      expect([code, check.code]).toEqual([2, 2])
      expect(stderr).toContain(check.stderr)
      expect(check.stderr).toMatch(LANG === 'C' ? words : /^(?:错误|警告)：\S+ \p{Script=Han}/u)
    }
  })
})

describe.runIf(process.getuid?.() === 0)('a user that is not root reads of', () => {
  const start = builtProgram()
  const uid = 65_534
  beforeAll(() => chmodSync(tmpdir(), 0o755))

  it('a file that it may not read whose it is, from the start and from check', async () => {
    const directory = temporaryDirectory()
    const file = join(directory, 'password')
    chmodSync(directory, 0o755)
    writeFileSync(file, 'secret', { mode: 0o600 })
    const env = { ...environment('http://127.0.0.1:1'), ISALES_PASSWORD_FILE: file }
    const saidBy = async (args: readonly string[], LANG: string) => {
      const pretty = { ISALES_PASSWORD: undefined, LOG_FORMAT: 'pretty', LANG }
      const program = start(args, { ...env, ...pretty }, { uid })
      expect((await program.ended).code).toBe(2)
      expect(program.stderr()).toMatch(/(?:Files are read as|读取文件的用户是) uid 65534[.。]\n/)
      return program.stderr().split('\n')[0]
    }
    const check = ['check', '--live', '--quiet']
    const english = await saidBy([], 'C')
    expect(english).toContain(`may not read: ${file} (it belongs to uid 0 and gid 0, mode 600)`)
    const chinese = await saidBy([], 'zh_CN.UTF-8')
    expect(chinese).toContain(`${file}（`)
    expect(await Promise.all([saidBy(check, 'C'), saidBy(check, 'zh_CN.UTF-8')])).toEqual([
      english,
      chinese,
    ])
  })

  it('port 80 that it takes another port or a capability', async () => {
    const env = { ...environment('http://127.0.0.1:1'), LISTEN: '127.0.0.1:80' }
    const program = start([], env, { uid })
    // The log is English in every locale.
    expect(await program.line('cannot-listen')).toMatchObject({
      setting: 'LISTEN',
      detail: expect.stringMatching(/127\.0\.0\.1:80.* higher port, .*CAP_NET_BIND_SERVICE/),
    })
  })
})
