import { fork, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Sample } from './judge.ts'

/** The newest word of the simulator's process. */
export interface IsalesState {
  readonly logins: number
  readonly refreshes: number
  readonly loginsRejected: number
  readonly locks: number
  readonly connections: number
}

export interface Isales {
  readonly origin: string
  readonly executions: ReadonlyMap<string, number>
  state(): IsalesState
  /** Runs a command of the control port; answers what it answered. */
  control(command: string, input?: Readonly<Record<string, unknown>>): Promise<unknown>
  /** Waits until all that was carried out is in `executions`. */
  flush(): Promise<void>
  stop(): void
}

interface Told {
  readonly carriedOut?: readonly string[]
  readonly state?: IsalesState
}

export async function startIsales(program: string): Promise<Isales> {
  const child = fork(program, { serialization: 'advanced' })
  const [{ origin, controlUrl }] = (await once(child, 'message')) as [
    { readonly origin: string; readonly controlUrl: string },
  ]
  const executions = new Map<string, number>()
  let state: IsalesState = { logins: 0, refreshes: 0, loginsRejected: 0, locks: 0, connections: 0 }
  let flushed: (() => void) | undefined
  child.on('message', (told: Told) => {
    for (const id of told.carriedOut ?? []) executions.set(id, (executions.get(id) ?? 0) + 1)
    if (told.state === undefined) flushed?.()
    else state = told.state
  })
  return {
    origin,
    executions,
    state: () => state,
    async control(command, input = {}) {
      const answer = await fetch(`${controlUrl}/${command}`, {
        method: 'POST',
        body: JSON.stringify(input),
      })
      if (!answer.ok) throw new Error(`${command}: ${answer.status} ${await answer.text()}`)
      return answer.json()
    },
    flush: () =>
      new Promise((resolve) => {
        flushed = resolve
        child.send('flush')
      }),
    stop: () => child.disconnect(),
  }
}

export interface Proxy {
  readonly origin: string
  /** How often each event was logged. */
  readonly events: ReadonlyMap<string, number>
  signal(name: 'SIGSTOP' | 'SIGCONT'): void
  sample(): Sample
  /** SIGTERM; answers the exit code. */
  stop(): Promise<number | null>
}

interface ProxyOptions {
  readonly program: string
  readonly env: Readonly<Record<string, string>>
  readonly onConflict: (holdOffMs: number) => void
}

/** A line of the log, as far as it is read here. */
interface LogLine {
  readonly event?: string
  readonly listener?: string
  readonly address?: string
  readonly holdOffSeconds?: number
}

export async function startProxy({ program, env, onConflict }: ProxyOptions): Promise<Proxy> {
  const child = spawn(process.execPath, [program], {
    env: { PATH: process.env['PATH'], LOG_FORMAT: 'json', LOG_LEVEL: 'debug', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  // Also while it is stopped, and whatever ends this process.
  process.once('exit', () => child.kill('SIGKILL'))
  const events = new Map<string, number>()
  const lines = createInterface({ input: child.stdout })
  const origin = await new Promise<string>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the proxy ended with ${code}`)))
    lines.on('line', (text) => {
      const line = JSON.parse(text) as LogLine
      const event = line.event ?? ''
      events.set(event, (events.get(event) ?? 0) + 1)
      if (event === 'conflict') onConflict((line.holdOffSeconds ?? 0) * 1000)
      if (event === 'listening' && line.listener === 'proxy') resolve(line.address ?? '')
    })
  })
  return {
    origin,
    events,
    signal: (name) => child.kill(name),
    sample: () => sampleOf(child),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
      const ended = once(child, 'exit')
      child.kill('SIGCONT')
      child.kill('SIGTERM')
      await ended
      return child.exitCode
    },
  }
}

/** From /proc (proc(5)). */
function sampleOf({ pid }: ChildProcess): Sample {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const rssKb = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1])
  return { rssMb: rssKb / 1024, handles: readdirSync(`/proc/${pid}/fd`).length }
}

export interface MountedSecret {
  readonly file: string
  write(text: string): void
}

/** A file as Kubernetes mounts a Secret: behind `..data`, a link that is swapped for another in one step. */
export function mountSecret(dir: string, first: string): MountedSecret {
  const file = join(dir, 'password')
  let version = 0
  function write(text: string): void {
    version += 1
    const next = `..v${version}`
    mkdirSync(join(dir, next), { recursive: true })
    writeFileSync(join(dir, next, 'password'), text, { mode: 0o600 })
    symlinkSync(next, join(dir, '..next'))
    renameSync(join(dir, '..next'), join(dir, '..data'))
  }
  write(first)
  symlinkSync(join('..data', 'password'), file)
  return { file, write }
}
