import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { temporaryDirectory } from '../../support/temporary.ts'
import { until } from '../../support/until.ts'
import { ROOT, run, succeed } from './run.ts'

export type Machine = Awaited<ReturnType<typeof bootMachine>>

const SCRIPT = join(ROOT, 'test/deploy/support/machine.sh')

/** Boots a machine with a real systemd, this machine's root files, and a loopback of its own, in about 2 s. */
export async function bootMachine() {
  const home = temporaryDirectory()
  const base = join(home, 'base')
  const shared = join(home, 'shared')
  for (const directory of [base, shared]) mkdirSync(directory)
  const child = spawn('bash', [SCRIPT, base, shared, ROOT], { stdio: ['ignore', 'pipe', 'pipe'] })
  const said = Promise.all([text(child.stdout), text(child.stderr)])
  const ended = once(child, 'exit')
  // The script becomes unshare, whose one child becomes systemd.
  const first = await until(async () => {
    if (child.exitCode !== null) throw new Error(`no machine: ${(await said).join('')}`)
    const pid = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim()
    return pid !== '' && readFileSync(`/proc/${pid}/comm`, 'utf8') === 'systemd\n' && pid
  }, 30_000)
  const namespaces = ['mount', 'uts', 'ipc', 'net', 'pid', 'cgroup', 'root', 'wdns=/']
  const enter = [`--target=${first}`, ...namespaces.map((name) => `--${name}`), '--']
  const bash = (script: string) => [...enter, 'bash', '-c', `set -euo pipefail\n${script}`]

  const machine = {
    /** Directory that the machine sees as /srv. */
    shared,
    /** Runs a bash script as root to its end; it stops at the first command that fails. */
    run: (script: string, input = '') => run('nsenter', bash(script), { cwd: '/', input }),
    /** Like `run`, but rejects with the output of a script that does not end with 0. */
    succeed: (script: string, input = '') => succeed('nsenter', bash(script), { cwd: '/', input }),
    async stop() {
      child.kill('SIGKILL')
      await ended
      const groups = await succeed('findmnt', ['-n', '--first-only', '-t', 'cgroup2', '-oTARGET'])
      const group = join(groups.trim(), base.replaceAll('/', '-'))
      await until(() => readFileSync(join(group, 'cgroup.events'), 'utf8').includes('populated 0'))
      await succeed('find', [group, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';'])
    },
  }
  const isUp = async () => (await machine.run('systemctl is-active basic.target')).code === 0
  await until(isUp, 30_000)
  return machine
}
