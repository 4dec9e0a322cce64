// config/systemd, with systemd's own tools. No service manager runs in a container, so the built
// program is started as the unit would start it, and a datagram socket stands for systemd.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { createSimulator } from '../../simulator/index.ts'
import { SETTING_LIST } from '../../src/config/settings.ts'
import { builtProgram } from '../cli/program.ts'
import { until } from '../support/until.ts'
import { ROOT, run, succeed } from './support/run.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const UNIT = join(ROOT, 'config/systemd/isales-auth-proxy.service')
const unit = readFileSync(UNIT, 'utf8')
const start = builtProgram()

it('the unit has no mistake that systemd finds', async () => {
  const { stderr, stdout } = await run('systemd-analyze', ['verify', '--man=no', UNIT])
  // The program itself is not installed here.
  const findings = (stderr + stdout)
    .split('\n')
    .filter((line) => !/^$|is not executable/.test(line))
  expect(findings).toEqual([])
})

it('the unit is exposed to 2.0 of 10 at most', async () => {
  const flags = ['--offline=true', '--no-pager']
  const report = await succeed('systemd-analyze', ['security', ...flags, UNIT])
  const [, level] = /Overall exposure level for \S+: ([\d.]+)/.exec(report) ?? []
  expect(Number(level)).toBeLessThanOrEqual(2)
})

it('the unit asks for the notifications that the program sends, and names settings that exist', () => {
  for (const line of ['Type=notify', 'NotifyAccess=all', 'WatchdogSec=30', 'DynamicUser=yes'])
    expect(unit).toContain(`\n${line}\n`)
  expect(unit).toMatch(/^ExecReload=\S*kill -HUP \$MAINPID$/m)
  const named = unit.match(/\b(?:ISALES|OBS|LISTEN|ADMIN|STATE)_[A-Z_]+(?==)/g)
  expect(SETTING_LIST.flatMap(({ variables }) => variables)).toEqual(
    expect.arrayContaining(named ?? ['']),
  )
})

it('systemd hears READY=1, the watchdog while the process runs, and STOPPING=1', async () => {
  const path = join(temporaryDirectory(), 'notify')
  const receiver = spawn('python3', [
    '-uc',
    `import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(${JSON.stringify(path)})
print('bound')
while True: print(s.recv(4096).decode())`,
  ])
  let received = ''
  receiver.stdout.setEncoding('utf8').on('data', (text: string) => (received += text))
  await until(() => received.includes('bound'))
  const sim = await createSimulator()
  const program = start([], {
    ISALES_URL: sim.origin,
    ISALES_USER: sim.switches.user,
    ISALES_PASSWORD: sim.switches.password,
    LISTEN: '127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
    NOTIFY_SOCKET: path,
    WATCHDOG_USEC: '400000',
  })
  const pings = () => received.split('WATCHDOG=1').length - 1
  await until(() => pings() >= 3)
  // A process that hangs sends none: systemd restarts it.
  program.process.kill('SIGSTOP')
  await delay(300)
  const before = pings()
  await delay(1000)
  expect(pings()).toBe(before)
  program.process.kill('SIGCONT')
  await until(() => pings() > before)
  program.process.kill('SIGTERM')
  await program.ended
  await until(() => received.includes('STOPPING=1'))
  receiver.kill()
  await once(receiver, 'exit')
  await sim.close()

  const said = received.split('\n').filter((line) => /^(?:READY|WATCHDOG|STOPPING)=1$/.test(line))
  expect(said[0]).toBe('READY=1')
  expect(said.at(-1)).toBe('STOPPING=1')
})
