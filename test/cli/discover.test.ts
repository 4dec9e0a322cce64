import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createSimulator, type SimulatorTls, type Switches } from '../../simulator/index.ts'
import { leaks } from '../support/canaries.ts'
import { makeCertificates } from '../support/certificates.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { accountOf, runHere } from './stand.ts'

function inFile(text: string): string {
  const path = join(temporaryDirectory(), 'ca.pem')
  writeFileSync(path, text)
  return path
}

async function discoverAt(
  switches: Partial<Switches>,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
  tls?: SimulatorTls,
) {
  const sim = await createSimulator({ switches, ...(tls && { tls }) })
  const ran = await runHere(['discover', ...args], { env: { ...accountOf(sim), ...env } })
  await sim.close()
  expect(leaks(ran.stdout + ran.stderr, [...sim.issued(), sim.switches.password])).toEqual([])
  const lines = ran.stdout.split('\n').filter((line) => !/^(?:#|$)/.test(line))
  const given = Object.keys({ ISALES_URL: '', ISALES_USER: '', ...env })
  const settings = lines.filter((line) => !given.some((name) => line.startsWith(`${name}=`)))
  return { ...ran, lines, settings }
}

describe.concurrent('discover', () => {
  it.each([
    ['$(touch${IFS}MARK)', '$(touch${IFS}MARK)'],
    ['`touch MARK` & touch MARK', '`touch MARK` & touch MARK'],
    ["'; touch MARK; '", undefined],
    ['7\nISALES_URL=http://127.0.0.1:1\ntouch MARK', undefined],
  ])('a shell that reads the file runs nothing of iSales: %j', async (rejectionResult, kept) => {
    const mark = join(temporaryDirectory(), 'mark')
    const result = rejectionResult.replaceAll('MARK', mark)
    const switches = { rejection: 'result', rejectionResult: result } as const
    const { stdout } = await discoverAt(switches, [], { INSTANCE: 'site a' })
    const script = `set -a; . "$0"; printf '%s|%s|%s' "$ISALES_REJECTED_RESULTS" "$INSTANCE" "$ISALES_URL"`
    const read = execFileSync('sh', ['-c', script, inFile(stdout)], { encoding: 'utf8', env: {} })
    expect(existsSync(mark)).toBe(false)
    const [results, instance, url] = read.split('|')
    expect([results, instance]).toEqual([kept?.replaceAll('MARK', mark) ?? '', 'site a'])
    expect(url).not.toBe('http://127.0.0.1:1')
  })

  it.each<readonly [Partial<Switches>, readonly string[]]>([
    [{}, []],
    [
      { edition: 'chinese' },
      ['ISALES_TOKEN_HEADERS=Authentication', 'ISALES_TOKEN_FIELD=refreshToken'],
    ],
    [{ rejection: 'result', rejectionResult: 100_401 }, ['ISALES_REJECTED_RESULTS=100401']],
    [{ omit: ['refreshToken'] }, ['ISALES_REFRESH_PATH=off']],
    [{ absoluteUrls: true }, []],
  ])('prints what differs from the defaults for an iSales with %j', async (switches, settings) => {
    const ran = await discoverAt(switches)
    expect([ran.code, ran.settings]).toEqual([0, settings])
    expect(ran.stdout).toMatch(/^# login +at http:\/\/127.0.0.1:\d+ as obs works/)
    expect(ran.stderr).toBe('It works.\n')
  })

  it('ends with 3 when the credentials are refused, and with 4 when there is no login', async () => {
    const refused = await discoverAt({}, [], { ISALES_PASSWORD: 'another' })
    expect([refused.code, refused.settings]).toEqual([3, []])
    expect(refused.stdout).toContain('Correct ISALES_USER and ISALES_PASSWORD')
    expect(refused.stderr).toContain('One attempt was spent')
    expect((await discoverAt({}, [], { ISALES_URL: 'http://127.0.0.1:1' })).code).toBe(4)
  })

  it('prints an env file with which check --live comes to the same verdict', async () => {
    const sim = await createSimulator({ switches: { edition: 'chinese' } })
    const file = inFile(sim.switches.password)
    const env = { ISALES_URL: sim.origin, ISALES_USER: 'obs', ISALES_PASSWORD_FILE: file }
    const found = await runHere(['discover'], { env })
    const live = await runHere(['check', '--live', '--quiet'], { env: parseEnv(found.stdout) })
    expect([live.code, live.stdout.split('\n').at(-2)]).toEqual([0, 'It works.'])
    expect(found.stderr).toBe('It works.\n')
    expect(sim.state()).toMatchObject({ logins: 2, loginsRejected: 0 })
    await sim.close()
  })

  it('repeats the URL of a proxy or a store unless a password is in it', async () => {
    const shared = {
      HTTPS_PROXY: 'http://egress.example:3128',
      SESSION_STORE_KEY_FILE: inFile('0123456789abcdef'.repeat(2)),
    }
    const open = await discoverAt({}, [], { ...shared, SESSION_STORE_URL: 'valkey://localhost' })
    expect(open.stdout).toContain('\nHTTPS_PROXY=http://egress.example:3128\n')
    expect(open.stdout).toContain('\nSESSION_STORE_URL=valkey://localhost\n')
    expect(open.stdout).toMatch(/# ISALES_PASSWORD is a secret: add it\n$/)
    const HTTPS_PROXY = 'http://user:tiger@egress.example:3128'
    const closed = await discoverAt({}, [], { HTTPS_PROXY })
    expect(closed.stdout).toMatch(/\n# HTTPS_PROXY is a secret: add it\n/)
    expect(closed.stdout).not.toContain('tiger')
  })

  it('says as check --live does what to do about a private CA, and about a misspelt setting', async () => {
    const env = { ISALES_PASWORD: 'x' }
    const { code, stdout, stderr } = await discoverAt({}, [], env, makeCertificates().server)
    expect(code).toBe(4)
    expect(stdout).toMatch(/^# login .*not of an authority that is trusted.*Set ISALES_CA_FILE to/m)
    expect(stderr).toContain('ISALES_PASWORD is not a setting. Did you mean ISALES_PASSWORD?')
  })
})
