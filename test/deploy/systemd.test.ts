// config/systemd and docs/vm*.md, on a machine with a real systemd. The pages' blocks are run unchanged, except for the address of
// iSales and the user.
import { copyFileSync, cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { ENV_FILES } from '../cli/env-files.ts'
import { blockOf, blocksOf, read } from '../docs/pages.ts'
import { makeCertificates } from '../support/certificates.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { bootMachine, type Machine } from './support/machine.ts'
import { ROOT, run, succeed } from './support/run.ts'
import { lacks } from './support/tools.ts'

const UNITS = join(ROOT, 'config/systemd')
const NODE = 'node-v24.11.0-linux-x64'
const PASSWORD = 'simulated-password'
const PAGES = ['docs/vm.md', 'docs/vm-advanced.md']
const page = PAGES.map(read).join('')
const blocks = PAGES.flatMap(blocksOf)
const ran = new Set<string>()
const without = await lacks('systemd-analyze', 'unshare', 'nsenter', 'findmnt', 'ip')

it('the units have no mistake that systemd finds', async () => {
  const units = readdirSync(UNITS).map((name) => join(UNITS, name))
  const { stderr, stdout } = await run('systemd-analyze', ['verify', '--man=no', ...units])
  expect((stderr + stdout).split('\n').filter((line) => line !== '')).toEqual([])
})

it.each([
  ['isales-auth-proxy.service', 1.3],
  ['isales-auth-proxy-credentials.service', 0.4],
  ['isales-auth-proxy-changed.service', 0.7],
])('%s is exposed to %d of 10 at most', async (unit, most) => {
  const flags = ['--offline=true', '--no-pager']
  const report = await succeed('systemd-analyze', ['security', ...flags, join(UNITS, unit)])
  const [, level] = /Overall exposure level for \S+: ([\d.]+)/.exec(report) ?? []
  expect(Number(level)).toBeLessThanOrEqual(most)
})

describe.skipIf(without)('on a machine', () => {
  let machine: Machine
  const sh = (script: string, input = '') => machine.succeed(script, input)

  /** Returns the block of the pages that begins so. */
  function scriptOf(start: string): string {
    const block = blockOf(PAGES, start)
    ran.add(block)
    const script = block
      .replace('https://service.besclouds.com', 'http://127.0.0.1:9400')
      .replaceAll(/\bobs0[12]\b/g, 'obs')
    return `cd /srv\n${script}`
  }
  const runBlock = async (start: string, input = '') => sh(scriptOf(start), input)

  const journal = (unit = 'isales-auth-proxy') =>
    sh(`journalctl --unit=${unit} --output=cat --no-pager`)
  const count = async (event: string) => (await journal()).split(`"event":"${event}"`).length - 1
  const show = async (property: string, unit = 'isales-auth-proxy') =>
    (await sh(`systemctl show --value --property=${property} ${unit}`)).trim()
  const untilSucceeds = (script: string) =>
    until(async () => (await machine.run(script)).code === 0, 20_000)
  /** Restarts the service with another line of settings, with any result. Returns a function that removes the line. */
  const withSetting = async (line: string) => {
    const env = '/etc/isales-auth-proxy/env'
    const restart = 'systemctl restart isales-auth-proxy'
    await machine.run(`cp ${env} /srv/env; echo ${line} >> ${env}; ${restart}`)
    return () => sh(`cp /srv/env ${env}; ${restart}`)
  }
  /** The loop ends when /srv/stop exists. */
  const traffic = async () => {
    const script = `cd ${ROOT} && node --import tsx test/deploy/support/traffic.ts`
    const said = await sh(`${script} http://127.0.0.1:8080 /srv/stop`)
    return JSON.parse(said) as { outcomes: Readonly<Record<string, number>>; slowest: number }
  }

  beforeAll(async () => {
    machine = await bootMachine()
    const { shared } = machine
    const source = temporaryDirectory()
    for (const name of ['package.json', 'CHANGELOG.md', 'SECURITY.md', 'config', 'docs'])
      cpSync(join(ROOT, name), join(source, name), { recursive: true })
    cpSync(inject('program'), join(source, 'dist'), { recursive: true })
    await succeed('npm', ['pack', '--silent', `--pack-destination=${shared}`], { cwd: source })
    const archive = (version: string) => join(shared, `isales-auth-proxy-${version}.tgz`)
    copyFileSync(archive('0.1.0'), archive('0.2.0'))
    mkdirSync(join(shared, NODE, 'bin'), { recursive: true })
    copyFileSync(process.execPath, join(shared, NODE, 'bin/node'))
    await succeed('tar', ['-I', 'gzip -1', '-cf', `${NODE}.tar.gz`, NODE], { cwd: shared })
    const simulator = 'node --import tsx simulator/main.ts --edition chinese'
    await sh(`systemd-run --quiet --unit=isales --working-directory=${ROOT} ${simulator}`)
    await until(async () => (await journal('isales')).includes('control'), 30_000)
  })
  afterAll(() => machine?.stop())
  // These tests start the service more often than systemd permits.
  beforeEach(() => machine.run("systemctl reset-failed 'isales-auth-proxy*'"))

  it('reads an env file as --instance does', async () => {
    const read = async (name: string) => {
      const unit = `--quiet --wait --pipe --property=EnvironmentFile=-/srv/${name}`
      const lines = (await sh(`systemd-run ${unit} env --null`)).split('\0')
      return lines.filter(Boolean).map((line) => [line.split('=', 1).join(), line] as const)
    }
    const others = new Set((await read('nowhere')).map(([name]) => name))
    const found: unknown[] = []
    for (const [text] of ENV_FILES) {
      writeFileSync(join(machine.shared, 'env'), text)
      found.push((await read('env')).filter(([name]) => !others.has(name)).map(([, line]) => line))
    }
    const entries = ENV_FILES.map(([, environment]) => Object.entries(environment))
    const expected = entries.map((each) => each.map(([name, value]) => `${name}=${value}`))
    expect(found.map(String)).toEqual(expected.map(String))
  })

  it('is installed, with a Node of its own', async () => {
    await runBlock('version=')
    await runBlock('arch=')
    expect(await sh('isales-auth-proxy version')).toBe('0.1.0\n')
  })

  it('is configured by what check --live finds, before it starts', async () => {
    await runBlock('for file', `${PASSWORD}\n`)
    const settings = () => sh('cat /etc/isales-auth-proxy/env')
    const live = scriptOf('isales-auth-proxy --instance - check --live')
    const check = (language = 'C') => machine.run(`export LANG=${language}\n${live}`)
    const inChinese = expect.stringMatching(/\p{Script=Han}/u)
    expect(await check('zh_CN.UTF-8')).toMatchObject({ code: 2, stdout: '', stderr: inChinese })
    const found = await settings()
    expect(found).toMatch(
      /^ISALES_URL=.*\nADMIN_LISTEN=.*\nISALES_TOKEN_HEADER=Authentication: Bearer /,
    )
    expect(found).not.toContain('_FILE=')
    expect(await check()).toMatchObject({ code: 0, stderr: expect.stringContaining('It works.') })
    expect(await settings()).toBe(found)
    const modes = await sh('stat --format="%a %U" /etc/isales-auth-proxy/*')
    // Another user, such as the service's, cannot read them.
    expect(new Set(modes.trim().split('\n'))).toEqual(new Set(['600 root']))

    await sh('sed --in-place s/:9400/:1/ /etc/isales-auth-proxy/env')
    expect(await check()).toMatchObject({ code: 4 })
    expect(await settings()).toBe(found.replace(':9400', ':1'))
    await sh('sed --in-place s/:1$/:9400/ /etc/isales-auth-proxy/env')
    expect(await settings()).toBe(found)
  })

  it('starts, and is ready when systemd says so', async () => {
    const output = await runBlock('systemctl enable')
    expect(output).toMatch(/active \(running\)[^]*node .*\/dist\/main\.js/)
    const node = await sh(`readlink /proc/${await show('MainPID')}/exe`)
    expect(node.trim()).toBe('/opt/node-v24.11.0/bin/node')
    // Every variable of the units is a setting.
    expect(await count('setting-doubtful')).toBe(0)
    expect(await show('StartLimitBurst')).toBe('5')
    expect(await show('RestartUSec')).toBe('2s')
    // A dynamic user, who cannot read /etc/isales-auth-proxy.
    const uid = await sh('stat --format=%u /run/isales-auth-proxy')
    expect(Number(uid)).toBeGreaterThan(60_000)
  })

  it('does what docs/operations.md says that an operator types', async () => {
    const rows = read('docs/operations.md').matchAll(/^\|[^|]+\| `([^`|]+)` \|/gm)
    const cells = Array.from(rows, ([, cell = '']) => cell)
    const [stop = '', ...typed] = cells.filter((cell) => / /.test(cell)).toReversed()
    expect(stop).toContain('systemctl stop')
    expect(typed).toHaveLength(6)
    for (const command of typed) await sh(command.replace('CODE', 'password'))
    expect(await journal()).toMatch(
      /"event":"renew-asked","by":"SIGHUP","outcome":"nothing-paused"[^\n]*"audit":true/,
    )
    expect(await runBlock('isales-auth-proxy --instance - status')).toContain('[No call has')
  })

  it('reads an authority in /etc that all may read, and notices another', async () => {
    const { ca, server } = makeCertificates()
    const install = async (text: string) => {
      writeFileSync(join(machine.shared, 'ca.pem'), text)
      await sh(`cd /srv; ${page.match(/install -m 644 ca\.pem [^`]+/)?.[0]}`)
    }
    await install(ca.cert)
    const restore = await withSetting('ISALES_CA_FILE=/etc/isales-auth-proxy/ca.pem')
    await install(ca.cert + server.cert)
    await until(async () => (await journal()).includes('"setting":"ISALES_CA_FILE"'), 20_000)
    expect(await count('setting-wrong')).toBe(0)
    await restore()
  })

  it('a password that is written, as the page says, or replaced is used within 3 s, without a restart', async () => {
    const pid = await show('MainPID')
    /** Milliseconds from the change of the file to the event, by the clock of the machine. */
    const change = async (act: () => Promise<string>, event: string) => {
      const before = await count(event)
      await act()
      await until(async () => (await count(event)) > before, 20_000)
      const line = (await journal()).split('\n').findLast((each) => each.includes(`"${event}"`))
      const { time } = JSON.parse(line ?? '') as { readonly time: string }
      const changed = await sh('date --iso-8601=ns --reference=/etc/isales-auth-proxy/password')
      return Date.parse(time) - Date.parse(changed.trim().replace(',', '.'))
    }
    const spoil = () => runBlock('read', 'another\n')
    const cure = () =>
      sh(`cd /etc/isales-auth-proxy; umask 077; printf %s ${PASSWORD} > new; mv new password`)
    const times = [await change(spoil, 'finding-began'), await change(cure, 'finding-ended')]
    expect(Math.min(...times)).toBeGreaterThan(0)
    expect(Math.max(...times)).toBeLessThan(3000)
    expect(await sh('cat /run/isales-auth-proxy/isales_password')).toBe(PASSWORD)
    expect(await show('MainPID')).toBe(pid)
  })

  it('files that are written while others are copied are also copied', async () => {
    const pauses = ['0', '0.02', '0.05', '0.1', '0.2', '0.4']
    const copied = () => sh('cd /run/isales-auth-proxy; cat isales_one isales_two')
    const copies: string[] = []
    for (const pause of pauses) {
      await sh(
        `cd /etc/isales-auth-proxy; printf ${pause} > one; sleep ${pause}; printf ${pause} > two`,
      )
      const isCopied = async () => (await copied().catch(() => '')) === pause + pause
      await until(isCopied, 20_000).catch(() => undefined)
      copies.push(await copied())
    }
    expect(copies).toEqual(pauses.map((pause) => pause + pause))
    await sh('rm /etc/isales-auth-proxy/one /etc/isales-auth-proxy/two')
  })

  it('keeps the password encrypted on the disk, as on the page, and uses a changed one', async () => {
    await runBlock('systemd-creds encrypt')
    await sh('test ! -e /etc/isales-auth-proxy/password')
    const secret = await sh('cat /etc/isales-auth-proxy/password.cred')
    expect(secret).not.toContain(PASSWORD)
    await sh('isales-auth-proxy --instance - status --wait 20s')
    expect(await sh('cat /run/isales-auth-proxy/isales_password')).toBe(PASSWORD)
    const encrypt = page.match(/`(systemd-creds encrypt [^`]* - [^`]+)`/)?.[1] ?? ''
    const before = await count('finding-began')
    await sh(encrypt, 'another')
    await until(async () => (await count('finding-began')) > before, 20_000)
    await sh(encrypt, PASSWORD)
    await untilSucceeds('isales-auth-proxy --instance - status --wait 1s')
    await sh(
      `cd /etc/isales-auth-proxy
       rm password.cred /etc/systemd/system/isales-auth-proxy*.service.d/encrypted.conf
       sed --in-place /^ISALES_PASSWORD_FILE=/d env
       umask 077; printf %s ${PASSWORD} > password
       systemctl daemon-reload; systemctl restart isales-auth-proxy`,
    )
  })

  it('no call fails while it is restarted and upgraded', async () => {
    const calls = traffic()
    // Requests arrive before, between and after both.
    const someCalls = async () => {
      const ended = async () => {
        const metrics = await sh('curl -fsS http://127.0.0.1:9090/metrics')
        const answered = /^isales_proxy_requests_total\{outcome="answered",.*\} (\d+)$/m
        return Number(answered.exec(metrics)?.[1] ?? 0) > 20
      }
      await until(ended, 20_000)
    }
    await someCalls()
    const pids = [await show('MainPID')]
    const restart = /then `(systemctl restart [^`]+)`/.exec(page)?.[1] ?? ''
    for (const script of [restart, scriptOf('version=').replace('0.1.0', '0.2.0') + restart]) {
      await sh(script)
      pids.push(await show('MainPID'))
      await someCalls()
    }
    writeFileSync(join(machine.shared, 'stop'), '')
    expect(new Set(pids).size).toBe(3)
    const { outcomes, slowest } = await calls
    expect(Object.keys(outcomes).sort()).toEqual(['kept 200', 'new 200'])
    expect(slowest).toBeLessThan(3000)
    const program = await sh('readlink -f /opt/isales-auth-proxy')
    expect(program.trim()).toBe('/opt/isales-auth-proxy-0.2.0')
  })

  it('a process that hangs is replaced', async () => {
    await sh(
      `mkdir -p /run/systemd/system/isales-auth-proxy.service.d
       printf '[Service]\\nWatchdogSec=1\\nRestartSec=0\\n' > /run/systemd/system/isales-auth-proxy.service.d/short.conf
       systemctl daemon-reload
       systemctl restart isales-auth-proxy`,
    )
    const pid = await show('MainPID')
    // The process notifies the watchdog.
    await sh('sleep 2.5')
    expect(await show('MainPID')).toBe(pid)
    await sh(`kill -STOP ${pid}`)
    const isOther = async () => ![pid, '0'].includes(await show('MainPID'))
    await until(async () => (await isOther()) && (await show('ActiveState')) === 'active', 20_000)
    await sh('rm -r /run/systemd/system/isales-auth-proxy.service.d; systemctl daemon-reload')
  })

  it('an invalid setting ends it permanently, and systemctl status shows the sentence', async () => {
    const restore = await withSetting('LOG_LEVEL=loud')
    // The unit would be activating while it waits for another start.
    expect(await show('ActiveState')).toBe('failed')
    expect(await show('NRestarts')).toBe('0')
    const { stdout } = await machine.run('systemctl status --no-pager isales-auth-proxy')
    expect(stdout).toContain('failed (Result: exit-code)')
    expect(stdout).toMatch(
      /Status: "LOG_LEVEL: The value is invalid\. .*Accepted: debug, .*LOG_LEVEL=\w+\."/,
    )

    // A call does not start the service repeatedly.
    await machine.run('curl -sS --max-time 10 http://127.0.0.1:8080/')
    const refused = await machine.run('curl -sS http://127.0.0.1:8080/')
    expect(refused.stderr).toContain('Could not connect')
    await restore()
    expect(await show('ActiveState', 'isales-auth-proxy.socket')).toBe('active')
  })

  it('another address in the socket and in LISTEN is an error, and in both is used', async () => {
    const restore = await withSetting('LISTEN=127.0.0.1:8086')
    const status = await show('StatusText')
    expect(status).toMatch(/^LISTEN: The socket unit listens on another .*:8086; .*:8080\.$/)
    await restore()
    await runBlock('mkdir -p /etc/systemd/system/isales-auth-proxy.socket.d')
    const log = await journal()
    const last = log.slice(log.lastIndexOf('"event":"listening","listener":"proxy"'))
    expect(last).toContain('"address":"http://127.0.0.1:8085"')
    await sh('curl -sS http://127.0.0.1:8085/')
  })

  it('two tenants have a user, settings, secrets, state and ports of their own', async () => {
    const output = await runBlock('add()', `${PASSWORD}\n${PASSWORD}\n`)
    const running = /isales-auth-proxy@(?:north|south)\.service +loaded active running/g
    expect(output.match(running)).toHaveLength(2)
    const uids: string[] = []
    for (const [name, port] of Object.entries({ north: 9091, south: 9092 })) {
      await sh(`isales-auth-proxy --instance ${name} status --wait 10s`)
      await sh(`curl -fsS http://127.0.0.1:${port}/readyz`)
      const owners = `stat --format=%u /run/isales-auth-proxy@${name} /var/lib/private/isales-auth-proxy@${name}`
      uids.push(...(await sh(owners)).trim().split('\n'))
    }
    expect(new Set(uids).size).toBe(2)
    const { code } = await machine.run(
      `setpriv --reuid=${uids[0]} --clear-groups cat /run/isales-auth-proxy@south/isales_password`,
    )
    expect(code).not.toBe(0)

    const north = 'isales-auth-proxy@north'
    await sh(`printf %s wrong > /etc/${north}/password`)
    // Refreshes keep the token alive.
    await until(async () => (await journal(north)).includes('"code":"refreshes-only"'))
    expect(await journal('isales-auth-proxy@south')).not.toContain('refreshes-only')
  })

  it('is stopped with its socket', async () => {
    await runBlock('systemctl stop')
    for (const unit of ['isales-auth-proxy', 'isales-auth-proxy.socket'])
      expect(await show('ActiveState', unit)).toBe('inactive')
    expect(await journal()).toMatch(/"event":"stopped"[^]*$/)
  })

  it('runs by the unit for an older systemd, and uses a changed password', async () => {
    const before = await count('files-reloaded')
    await runBlock('useradd')
    await untilSucceeds('curl -sS http://127.0.0.1:9090/livez')
    await sh('printf %s older > /etc/isales-auth-proxy/password')
    await until(async () => (await count('files-reloaded')) > before)
    expect(await show('User')).toBe('isales-auth-proxy')
    expect(await show('DynamicUser')).toBe('no')
    for (const unit of ['isales-auth-proxy', 'isales-auth-proxy.socket'])
      expect(await show('UnitFileState', unit)).toBe('enabled')
  })

  it('every block of the page was run', () => {
    // release.test.ts makes and installs the packages.
    const isPackage = (block: string) => /^(?:git clone|(?:apt-get|dnf) install)/.test(block)
    expect(blocks.filter((block) => !ran.has(block) && !isPackage(block))).toEqual([])
  })
})
