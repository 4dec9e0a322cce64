import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createSimulator, INTERFACE_PATHS } from '../simulator/index.ts'
import type { DemoIo } from './demo.ts'

const TOKEN_LIFETIME = 8
const CALL_EVERY = 100
const MAX_REPLICAS = 20
const DEFAULT_SECONDS = 30
const PASSWORD = 'known-to-the-proxies-only'

interface Replica {
  readonly name: string
  readonly process: ChildProcess
  readonly proxy: string
}

/**
 * Shows proxies that share one token through a real Valkey, at an iSales that allows one session. One of them is killed
 * after a third of the time, and the token is revoked after two thirds.
 *
 * @returns 0 when every business call succeeded, 1 when not, 2 for wrong arguments or without valkey-server.
 */
export async function runReplicas(args: readonly string[], io: DemoIo): Promise<number> {
  const { replicas: count, seconds } = parseReplicasArgs(args)
  const valid = count >= 2 && count <= MAX_REPLICAS && seconds >= 10
  if (!valid) {
    io.stderr.write(`--replicas must be from 2 to ${MAX_REPLICAS}, --seconds at least 10.\n`)
    return 2
  }
  const say = (text: string): void => void io.stdout.write(`${text}\n`)
  const directory = await mkdtemp(join(tmpdir(), 'demo-replicas-'))
  const undo: (() => unknown)[] = [() => rm(directory, { recursive: true, force: true })]
  try {
    const port = await freePort()
    const store = spawn('valkey-server', ['--port', String(port), '--save', ''], {
      stdio: 'ignore',
    })
    const started = await Promise.race([
      once(store, 'spawn').then(() => true),
      once(store, 'error').then(() => false),
    ])
    if (!started) {
      io.stderr.write('valkey-server is not installed (apt install valkey-server).\n')
      return 2
    }
    undo.push(() => store.kill())
    const keyFile = join(directory, 'key')
    await writeFile(keyFile, 'a key that all of the replicas have')
    const program = join(directory, 'dist')
    execFileSync(process.execPath, [
      new URL('../scripts/build.mjs', import.meta.url).pathname,
      program,
    ])
    const simulator = await createSimulator({
      switches: {
        password: PASSWORD,
        singleSession: true,
        refreshEndsOld: true,
        rotate: true,
        tokenLifetime: TOKEN_LIFETIME,
      },
    })
    undo.push(() => simulator.close())
    const env = {
      ISALES_URL: simulator.origin,
      ISALES_USER: simulator.switches.user,
      ISALES_PASSWORD: PASSWORD,
      LISTEN: '127.0.0.1:0',
      ADMIN_LISTEN: '127.0.0.1:0',
      SESSION_STORE_URL: `valkey://127.0.0.1:${port}`,
      SESSION_STORE_KEY_FILE: keyFile,
    }
    const running = await Promise.all(
      Array.from({ length: count }, (_, index) =>
        startReplica(join(program, 'main.js'), `proxy ${index + 1}`, env),
      ),
    )
    undo.push(() => running.map((replica) => replica.process.kill()))
    say(`${count} proxies share one token of ${TOKEN_LIFETIME} s; iSales allows one session.`)
    const calls = { all: 0, failed: 0 }
    const end = performance.now() + seconds * 1000
    const dead = new Set<Replica>()
    const call = async (replica: Replica): Promise<void> => {
      while (performance.now() < end && !io.signal.aborted && !dead.has(replica)) {
        const ok = await callTasks(replica)
        if (dead.has(replica)) break
        calls.all += 1
        if (!ok) calls.failed += 1
        await sleep(CALL_EVERY)
      }
    }
    const plan = async (): Promise<void> => {
      const [victim] = running
      await pause(seconds / 3, io.signal)
      if (victim !== undefined && !io.signal.aborted) {
        say(`${victim.name} is killed.`)
        dead.add(victim)
        victim.process.kill('SIGKILL')
      }
      await pause(seconds / 3, io.signal)
      if (io.signal.aborted) return
      say('iSales revokes the token.')
      simulator.revoke()
    }
    await Promise.all([...running.map(call), plan()])
    const { logins, refreshes } = simulator.state()
    say(`${calls.all} calls, ${calls.failed} failed; ${logins} logins, ${refreshes} refreshes.`)
    return calls.failed === 0 ? 0 : 1
  } finally {
    for (const step of undo.reverse()) await step()
  }
}

function parseReplicasArgs(args: readonly string[]) {
  const options = { replicas: { type: 'string' }, seconds: { type: 'string' } } as const
  try {
    const { values } = parseArgs({ args: [...args], options })
    return { replicas: Number(values.replicas), seconds: Number(values.seconds ?? DEFAULT_SECONDS) }
  } catch {
    return { replicas: Number.NaN, seconds: Number.NaN }
  }
}

async function startReplica(
  program: string,
  name: string,
  env: Readonly<Record<string, string>>,
): Promise<Replica> {
  const child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  for await (const line of createInterface({ input: child.stdout })) {
    const { event, listener, address } = JSON.parse(line) as Readonly<Record<string, unknown>>
    if (event !== 'listening' || listener !== 'proxy') continue
    child.stdout.resume()
    return { name, process: child, proxy: String(address) }
  }
  throw new Error(`${name} did not start`)
}

/** Not `fetch`, whose headers are a browser's, which the proxy refuses. */
function callTasks({ proxy }: Replica): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request(`${proxy}${INTERFACE_PATHS.getTask}`, { method: 'POST' }, (response) => {
      response.resume().on('close', () => resolve(response.statusCode === 200))
    })
    call.on('error', () => resolve(false)).end('{"subCCNo":1,"vdnId":1}')
  })
}

async function pause(seconds: number, signal: AbortSignal): Promise<void> {
  await sleep(seconds * 1000, undefined, { signal }).catch(() => undefined)
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
