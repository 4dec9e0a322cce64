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

  /** Returns the block of the pages that begins so. */
  function scriptOf(start: string): string {
    const block = blockOf(PAGES, start)
    ran.add(block)
    const script = block
      .replace('https://service.besclouds.com', 'http://127.0.0.1:9400')
      .replaceAll(/\bobs0[12]\b/g, 'obs')
    return `cd /srv\n${script}`
  }
  const runBlock = async (start: string, input = '') => machine.succeed(scriptOf(start), input)

  const journal = (unit = 'isales-auth-proxy') =>
    machine.succeed(`journalctl --unit=${unit} --output=cat --no-pager`)
  /** Counts the log lines with this event. */
  const count = async (event: string) => (await journal()).split(`"event":"${event}"`).length - 1
  const show = async (unit: string, property: string) =>
    (await machine.succeed(`systemctl show --value --property=${property} ${unit}`)).trim()
  /**
   * Restarts the service with an additional line of settings, with any result; returns a function that removes the
   * line.
   */
  const withSetting = async (line: string) => {
    const env = '/etc/isales-auth-proxy/env'
    const restart = 'systemctl restart isales-auth-proxy'
    await machine.run(`cp ${env} /srv/env; echo ${line} >> ${env}; ${restart}`)
    return () => machine.succeed(`cp /srv/env ${env}; ${restart}`)
  }
  /** The loop ends when /srv/stop exists. */
  const traffic = async () => {
    const script = `cd ${ROOT} && node --import tsx test/deploy/support/traffic.ts`
    const said = await machine.succeed(`${script} http://127.0.0.1:8080 /srv/stop`)
    return JSON.parse(said) as {
      readonly outcomes: Readonly<Record<string, number>>
      readonly slowest: number
    }
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
    await machine.succeed(
      `systemd-run --quiet --unit=isales --working-directory=${ROOT} ${simulator}`,
    )
    await until(async () => (await journal('isales')).includes('control'), 30_000)
  })
  afterAll(() => machine?.stop())
  // These tests start the service more often than systemd permits.
  beforeEach(() => machine.run("systemctl reset-failed 'isales-auth-proxy*'"))

  it('reads an env file as --instance does', async () => {
    const read = async (name: string) => {
      const unit = `--quiet --wait --pipe --property=EnvironmentFile=-/srv/${name}`
      const lines = (await machine.succeed(`systemd-run ${unit} env --null`)).split('\0')
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
    expect(await machine.succeed('isales-auth-proxy version')).toBe('0.1.0\n')
  })

  it('is configured by what check --live finds, before it starts', async () => {
    await runBlock('for file', `${PASSWORD}\n`)
    const settings = () => machine.succeed('cat /etc/isales-auth-proxy/env')
    const check = (language = 'C') =>
      machine.run(
        `export LANG=${language}\n${scriptOf('isales-auth-proxy --instance - check --live')}`,
      )
    const inChinese = expect.stringMatching(/\p{Script=Han}/u)
    expect(await check('zh_CN.UTF-8')).toMatchObject({ code: 2, stdout: '', stderr: inChinese })
    const found = await settings()
    expect(found).toMatch(
      /^ISALES_URL=.*\nADMIN_LISTEN=.*\nISALES_TOKEN_HEADER=Authentication: Bearer /,
    )
    expect(found).not.toContain('_FILE=')
    expect(await check()).toMatchObject({ code: 0, stderr: expect.stringContaining('It works.') })
    expect(await settings()).toBe(found)
    const modes = await machine.succeed('stat --format="%a %U" /etc/isales-auth-proxy/*')
    // Another user, such as the service's, cannot read them.
    expect(new Set(modes.trim().split('\n'))).toEqual(new Set(['600 root']))

    await machine.succeed('sed --in-place s/:9400/:1/ /etc/isales-auth-proxy/env')
    expect(await check()).toMatchObject({ code: 4 })
    expect(await settings()).toBe(found.replace(':9400', ':1'))
    await machine.succeed('sed --in-place s/:1$/:9400/ /etc/isales-auth-proxy/env')
    expect(await settings()).toBe(found)
  })

  it('starts, and is ready when systemd says so', async () => {
    const output = await runBlock('systemctl enable')
    expect(output).toContain('active (running)')
    expect(output).toMatch(/node .*\/dist\/main\.js/)
    const node = await machine.succeed(
      'readlink /proc/$(systemctl show --value --property=MainPID isales-auth-proxy)/exe',
    )
    expect(node.trim()).toBe('/opt/node-v24.11.0/bin/node')
    // Every variable of the units is a setting.
    expect(await count('setting-doubtful')).toBe(0)
    expect(await show('isales-auth-proxy', 'StartLimitBurst')).toBe('5')
    expect(await show('isales-auth-proxy', 'RestartUSec')).toBe('2s')
    // A dynamic user, who cannot read /etc/isales-auth-proxy.
    const uid = await machine.succeed('stat --format=%u /run/isales-auth-proxy')
    expect(Number(uid)).toBeGreaterThan(60_000)
  })

  it('does what docs/operations.md says that an operator types', async () => {
    const operations = read('docs/operations.md')
    const cells = Array.from(
      operations.matchAll(/^\|[^|]+\| `([^`|]+)` \|/gm),
      ([, cell = '']) => cell,
    )
    const [stop = '', ...typed] = cells.filter((cell) => / /.test(cell)).toReversed()
    expect(stop).toContain('systemctl stop')
    expect(typed).toHaveLength(6)
    for (const command of typed) await machine.succeed(command.replace('CODE', 'password'))
    expect(await journal()).toMatch(
      /"event":"renew-asked","by":"SIGHUP","outcome":"nothing-paused"[^\n]*"audit":true/,
    )
    expect(await runBlock('isales-auth-proxy --instance - status')).toContain('[No call has')
  })

  it('reads an authority in /etc that all may read, and notices another', async () => {
    const { ca, server } = makeCertificates()
    const install = async (text: string) => {
      writeFileSync(join(machine.shared, 'ca.pem'), text)
      await machine.succeed(`cd /srv; ${page.match(/install -m 644 ca\.pem [^`]+/)?.[0]}`)
    }
    await install(ca.cert)
    const restore = await withSetting('ISALES_CA_FILE=/etc/isales-auth-proxy/ca.pem')
    await install(ca.cert + server.cert)
    await until(async () => (await journal()).includes('"setting":"ISALES_CA_FILE"'), 20_000)
    expect(await count('setting-wrong')).toBe(0)
    await restore()
  })

  it('a password that is written, as the page says, or replaced is used within 3 s, without a restart', async () => {
    const pid = await show('isales-auth-proxy', 'MainPID')
    /** Milliseconds from the change of the file to the event, by the clock of the machine. */
    const change = async (act: () => Promise<string>, event: string) => {
      const before = await count(event)
      await act()
      await until(async () => (await count(event)) > before, 20_000)
      const line = (await journal()).split('\n').findLast((each) => each.includes(`"${event}"`))
      const { time } = JSON.parse(line ?? '') as { readonly time: string }
      const changed = await machine.succeed(
        'date --iso-8601=ns --reference=/etc/isales-auth-proxy/password',
      )
      return Date.parse(time) - Date.parse(changed.trim().replace(',', '.'))
    }
    const spoil = () => runBlock('read', 'another\n')
    const cure = () =>
      machine.succeed(
        `cd /etc/isales-auth-proxy; umask 077; printf %s ${PASSWORD} > new; mv new password`,
      )
    const times = [await change(spoil, 'finding-began'), await change(cure, 'finding-ended')]
    expect(Math.min(...times)).toBeGreaterThan(0)
    expect(Math.max(...times)).toBeLessThan(3000)
    expect(await machine.succeed('cat /run/isales-auth-proxy/isales_password')).toBe(PASSWORD)
    expect(await show('isales-auth-proxy', 'MainPID')).toBe(pid)
  })

  it('files that are written while others are copied are also copied', async () => {
    const pauses = ['0', '0.02', '0.05', '0.1', '0.2', '0.4']
    const copied = () => machine.succeed('cd /run/isales-auth-proxy; cat isales_one isales_two')
    const copies: string[] = []
    for (const pause of pauses) {
      await machine.succeed(
        `cd /etc/isales-auth-proxy; printf ${pause} > one; sleep ${pause}; printf ${pause} > two`,
      )
      const isCopied = async () => (await copied().catch(() => '')) === pause + pause
      await until(isCopied, 20_000).catch(() => undefined)
      copies.push(await copied())
    }
    expect(copies).toEqual(pauses.map((pause) => pause + pause))
    await machine.succeed('rm /etc/isales-auth-proxy/one /etc/isales-auth-proxy/two')
  })

  it('keeps the password encrypted on the disk, as on the page, and uses a changed one', async () => {
    await runBlock('systemd-creds encrypt')
    await machine.succeed('test ! -e /etc/isales-auth-proxy/password')
    const secret = await machine.succeed('cat /etc/isales-auth-proxy/password.cred')
    expect(secret).not.toContain(PASSWORD)
    await machine.succeed('isales-auth-proxy --instance - status --wait 20s')
    expect(await machine.succeed('cat /run/isales-auth-proxy/isales_password')).toBe(PASSWORD)
    const encrypt = page.match(/`(systemd-creds encrypt [^`]* - [^`]+)`/)?.[1] ?? ''
    const before = await count('finding-began')
    await machine.succeed(encrypt, 'another')
    await until(async () => (await count('finding-began')) > before, 20_000)
    await machine.succeed(encrypt, PASSWORD)
    await until(
      async () => (await machine.run('isales-auth-proxy --instance - status --wait 1s')).code === 0,
      20_000,
    )
    await machine.succeed(
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
        const metrics = await machine.succeed('curl -fsS http://127.0.0.1:9090/metrics')
        const answered = /^isales_proxy_requests_total\{outcome="answered",.*\} (\d+)$/m
        return Number(answered.exec(metrics)?.[1] ?? 0) > 20
      }
      await until(ended, 20_000)
    }
    await someCalls()
    const pids = [await show('isales-auth-proxy', 'MainPID')]
    const restart = /then `(systemctl restart [^`]+)`/.exec(page)?.[1] ?? ''
    for (const act of [
      () => machine.succeed(restart),
      () => machine.succeed(scriptOf('version=').replace('0.1.0', '0.2.0') + restart),
    ]) {
      await act()
      pids.push(await show('isales-auth-proxy', 'MainPID'))
      await someCalls()
    }
    writeFileSync(join(machine.shared, 'stop'), '')
    expect(new Set(pids).size).toBe(3)
    const { outcomes, slowest } = await calls
    expect(Object.keys(outcomes).sort()).toEqual(['kept 200', 'new 200'])
    expect(slowest).toBeLessThan(3000)
    const program = await machine.succeed('readlink -f /opt/isales-auth-proxy')
    expect(program.trim()).toBe('/opt/isales-auth-proxy-0.2.0')
  })

  it('a process that hangs is replaced', async () => {
    await machine.succeed(
      `mkdir -p /run/systemd/system/isales-auth-proxy.service.d
       printf '[Service]\\nWatchdogSec=1\\nRestartSec=0\\n' > /run/systemd/system/isales-auth-proxy.service.d/short.conf
       systemctl daemon-reload
       systemctl restart isales-auth-proxy`,
    )
    const pid = await show('isales-auth-proxy', 'MainPID')
    // The process notifies the watchdog.
    await machine.succeed('sleep 2.5')
    expect(await show('isales-auth-proxy', 'MainPID')).toBe(pid)
    await machine.succeed(`kill -STOP ${pid}`)
    await until(
      async () =>
        ![pid, '0'].includes(await show('isales-auth-proxy', 'MainPID')) &&
        (await show('isales-auth-proxy', 'ActiveState')) === 'active',
      20_000,
    )
    await machine.succeed(
      'rm -r /run/systemd/system/isales-auth-proxy.service.d; systemctl daemon-reload',
    )
  })

  it('an invalid setting ends it permanently, and systemctl status shows the sentence', async () => {
    const restore = await withSetting('LOG_LEVEL=loud')
    // The unit would be activating while it waits for another start.
    expect(await show('isales-auth-proxy', 'ActiveState')).toBe('failed')
    expect(await show('isales-auth-proxy', 'NRestarts')).toBe('0')
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
    expect(await show('isales-auth-proxy.socket', 'ActiveState')).toBe('active')
  })

  it('another address in the socket and in LISTEN is an error, and in both is used', async () => {
    const restore = await withSetting('LISTEN=127.0.0.1:8086')
    const status = await show('isales-auth-proxy', 'StatusText')
    expect(status).toMatch(/^LISTEN: The socket unit listens on another .*:8086; .*:8080\.$/)
    await restore()
    await runBlock('mkdir -p /etc/systemd/system/isales-auth-proxy.socket.d')
    const log = await journal()
    expect(log.slice(log.lastIndexOf('"event":"listening","listener":"proxy"'))).toContain(
      '"address":"http://127.0.0.1:8085"',
    )
    await machine.succeed('curl -sS http://127.0.0.1:8085/')
  })

  it('two tenants have a user, settings, secrets, state and ports of their own', async () => {
    const output = await runBlock('add()', `${PASSWORD}\n${PASSWORD}\n`)
    expect(
      output.match(/isales-auth-proxy@(?:north|south)\.service +loaded active running/g),
    ).toHaveLength(2)
    const uids: string[] = []
    for (const [name, port] of [
      ['north', 9091],
      ['south', 9092],
    ] as const) {
      await machine.succeed(`isales-auth-proxy --instance ${name} status --wait 10s`)
      await machine.succeed(`curl -fsS http://127.0.0.1:${port}/readyz`)
      const owners = `stat --format=%u /run/isales-auth-proxy@${name} /var/lib/private/isales-auth-proxy@${name}`
      uids.push(...(await machine.succeed(owners)).trim().split('\n'))
    }
    expect(new Set(uids).size).toBe(2)
    const { code } = await machine.run(
      `setpriv --reuid=${uids[0]} --clear-groups cat /run/isales-auth-proxy@south/isales_password`,
    )
    expect(code).not.toBe(0)

    const north = 'isales-auth-proxy@north'
    await machine.succeed(`printf %s wrong > /etc/${north}/password`)
    // Refreshes keep the token alive.
    await until(async () => (await journal(north)).includes('"code":"refreshes-only"'))
    expect(await journal('isales-auth-proxy@south')).not.toContain('refreshes-only')
  })

  it('is stopped with its socket', async () => {
    await runBlock('systemctl stop')
    for (const unit of ['isales-auth-proxy', 'isales-auth-proxy.socket'])
      expect(await show(unit, 'ActiveState')).toBe('inactive')
    expect(await journal()).toMatch(/"event":"stopped"[^]*$/)
  })

  it('runs by the unit for an older systemd, and uses a changed password', async () => {
    const before = await count('files-reloaded')
    await runBlock('useradd')
    await until(
      async () => (await machine.run('curl -sS http://127.0.0.1:9090/livez')).code === 0,
      20_000,
    )
    await machine.succeed('printf %s older > /etc/isales-auth-proxy/password')
    await until(async () => (await count('files-reloaded')) > before)
    expect(await show('isales-auth-proxy', 'User')).toBe('isales-auth-proxy')
    expect(await show('isales-auth-proxy', 'DynamicUser')).toBe('no')
    for (const unit of ['isales-auth-proxy', 'isales-auth-proxy.socket'])
      expect(await show(unit, 'UnitFileState')).toBe('enabled')
  })

  it('every block of the page was run', () => {
    // release.test.ts makes and installs the packages.
    const isPackage = (block: string) => /^(?:git clone|(?:apt-get|dnf) install)/.test(block)
    expect(blocks.filter((block) => !ran.has(block) && !isPackage(block))).toEqual([])
  })
})
