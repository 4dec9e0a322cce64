import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../../test/support/free-port.ts'

/** A real valkey-server that the proxies share, on one port from start to start. */
export interface Store {
  readonly port: number
  perform(fault: 'store-killed' | 'store-frozen' | 'store-emptied', ms: number): Promise<void>
  stop(): void
}

/** @throws {Error} when valkey-server is not installed. */
export async function startStore(): Promise<Store> {
  const port = await freePort()
  let child = run(port)
  await once(child, 'spawn')
  process.once('exit', () => child.kill('SIGKILL'))
  return {
    port,
    async perform(fault, ms) {
      if (fault === 'store-emptied') {
        spawnSync('valkey-cli', ['-p', String(port), 'FLUSHALL'])
        return
      }
      if (fault === 'store-killed') {
        child.kill('SIGKILL')
        await delay(ms)
        child = run(port)
        return
      }
      child.kill('SIGSTOP')
      await delay(ms)
      child.kill('SIGCONT')
    },
    stop: () => void child.kill('SIGKILL'),
  }
}

function run(port: number): ChildProcess {
  return spawn('valkey-server', ['--port', String(port), '--save', ''], { stdio: 'ignore' })
}
