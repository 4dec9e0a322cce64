import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Sample } from './judge.ts'

/** The built program as a process of its own, on one port from start to start. */
export interface Proxy {
  readonly origin: string
  /** How often each event was logged. */
  readonly events: ReadonlyMap<string, number>
  /** Of each process that has ended. */
  readonly exits: readonly (number | null)[]
  signal(name: 'SIGSTOP' | 'SIGCONT'): void
  sample(): Sample
  start(): Promise<void>
  /** SIGTERM, and waits for the end. */
  stop(): Promise<void>
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
  const events = new Map<string, number>()
  const exits: (number | null)[] = []
  let origin = ''
  let child: ChildProcess | undefined

  function read(text: string): LogLine {
    const line = JSON.parse(text) as LogLine
    const event = line.event ?? ''
    events.set(event, (events.get(event) ?? 0) + 1)
    if (event === 'conflict') onConflict((line.holdOffSeconds ?? 0) * 1000)
    return line
  }

  async function start(): Promise<void> {
    const LISTEN = origin === '' ? '127.0.0.1:0' : new URL(origin).host
    const started = spawn(process.execPath, [program], {
      env: { PATH: process.env['PATH'], LOG_FORMAT: 'json', LOG_LEVEL: 'debug', ...env, LISTEN },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    child = started
    // Also while it is stopped, and whatever ends this process.
    process.once('exit', () => started.kill('SIGKILL'))
    const lines = createInterface({ input: started.stdout })
    origin = await new Promise<string>((resolve, reject) => {
      started.once('exit', (code) => {
        exits.push(code)
        reject(new Error(`the proxy ended with ${code}`))
      })
      lines.on('line', (text) => {
        const { event, listener, address = '' } = read(text)
        if (event === 'listening' && listener === 'proxy') resolve(address)
      })
    })
  }

  await start()
  return {
    origin,
    events,
    exits,
    start,
    signal: (name) => child?.kill(name),
    sample: () => sampleOf(child?.pid ?? 0),
    async stop() {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGCONT')
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** From /proc (proc(5)); NaN while there is no process. */
function sampleOf(pid: number): Sample {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const rssKb = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1])
    return { rssMb: rssKb / 1024, handles: readdirSync(`/proc/${pid}/fd`).length }
  } catch {
    return { rssMb: NaN, handles: NaN }
  }
}

export interface MountedSecret {
  readonly file: string
  write(text: string): void
}

/** A file as Kubernetes mounts a Secret: behind `..data`, a link that is swapped in one step. */
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
