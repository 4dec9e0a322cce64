// The world of a soak: the built program as processes of their own, real sockets, and a real valkey-server.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
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
import type { Simulator } from '../../simulator/index.ts'
import {
  FIRST_PASSWORD,
  PASSWORD_MARK,
  type Replica,
  type World,
  type Machine,
} from '../../test/simulation/stage.ts'
import { freePort } from '../../test/support/free-port.ts'

/** Memory and open files of a process. */
export interface Sample {
  readonly rssMb: number
  readonly handles: number
}

interface Process extends Replica {
  child: ChildProcess | undefined
  readonly listen: number
  readonly admin: number
}

interface WorldOptions {
  /** Directory of the secret and of every replica's state. */
  readonly directory: string
  readonly program: string
  readonly replicas: number
  readonly env: Readonly<Record<string, string>>
  readonly isales: Simulator
  readonly machine: Machine
  readonly onFinding: (property: number, text: string) => void
}

/** @throws {Error} if replicas are to share and valkey-server is not installed. */
export async function openWorld(options: WorldOptions) {
  const { directory, program, isales, machine, onFinding } = options
  const secret = mountSecret(directory)
  const events = new Map<string, number>()
  const store = options.replicas > 1 ? startStore(await freePort()) : undefined
  const key = join(directory, 'key')
  writeFileSync(key, 'soak'.repeat(8))
  const replicas: Process[] = []
  for (let index = 0; index < options.replicas; index += 1) {
    mkdirSync(join(directory, `state-${index}`), { mode: 0o700 })
    const [listen, admin] = [await freePort(), await freePort()]
    replicas.push({ index, phase: 'stopped', child: undefined, listen, admin })
  }

  function searchSecrets(text: string, where: string): void {
    if (text.includes(PASSWORD_MARK)) onFinding(7, `a secret in ${where}`)
  }

  function start(replica: Process): void {
    const { index, listen, admin } = replica
    const child = spawn(process.execPath, [program], {
      env: {
        PATH: process.env['PATH'],
        LOG_LEVEL: 'debug',
        ISALES_URL: isales.origin,
        ISALES_USER: isales.switches.user,
        ISALES_PASSWORD_FILE: secret.file,
        LISTEN: `127.0.0.1:${listen}`,
        ADMIN_LISTEN: `127.0.0.1:${admin}`,
        STATE_DIR: join(directory, `state-${index}`),
        ...(store && {
          SESSION_STORE_URL: `valkey://127.0.0.1:${store.port}`,
          SESSION_STORE_KEY_FILE: key,
        }),
        ...options.env,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    Object.assign(replica, { child, phase: 'starting' })
    createInterface({ input: child.stdout }).on('line', (line) => {
      searchSecrets(line, `the log of replica ${index}`)
      const { event = '', listener } = JSON.parse(line) as { event?: string; listener?: string }
      events.set(event, (events.get(event) ?? 0) + 1)
      const listens = event === 'listening' && listener === 'proxy'
      if (listens && replica.child === child) replica.phase = 'running'
    })
    child.once('exit', (code, signal) => {
      if (replica.child !== child) return
      if (code !== 0) onFinding(12, `replica ${index} ended with ${code ?? signal}`)
      replica.phase = 'stopped'
    })
  }

  const world: World<Process> = {
    machine,
    clients: machine,
    note: () => undefined,
    waits: { calm: 45_000, silence: 65_000, afterwards: 0 },
    ports: {
      isales: Number(new URL(isales.origin).port),
      proxy: (index) => replicas[index]?.listen ?? 0,
      admin: (index) => replicas[index]?.admin ?? 0,
    },
    isales,
    atIsales: (act) => void act(),
    store,
    setPassword: secret.write,
    replicas,
    searchSecrets,
    start,
    kill(replica) {
      replica.child?.kill('SIGKILL')
      Object.assign(replica, { child: undefined, phase: 'stopped' })
    },
    stop(replica) {
      if (replica.phase !== 'running') return
      replica.phase = 'stopping'
      replica.child?.kill('SIGTERM')
    },
    hangUp({ child, phase }) {
      // The signal ends a process that does not handle it yet.
      if (phase !== 'starting') child?.kill('SIGHUP')
    },
    freeze: ({ child }) => void child?.kill('SIGSTOP'),
    thaw: ({ child }) => void child?.kill('SIGCONT'),
    links: () => [],
    breakDisk: () => undefined,
    mend: () => undefined,
    left: () => [],
  }
  return {
    world,
    events,
    passwordInFile: secret.read,
    /** Returns the mean of the running replicas, or NaN if none runs. */
    sample(): Sample {
      const all = replicas
        .map(({ child }) => sampleOf(child?.pid ?? 0))
        .filter(({ rssMb }) => !Number.isNaN(rssMb))
      const mean = (of: keyof Sample): number =>
        all.reduce((sum, one) => sum + one[of], 0) / all.length
      return { rssMb: mean('rssMb'), handles: mean('handles') }
    },
    close(): void {
      for (const { child } of replicas) child?.kill('SIGKILL')
      store?.down()
    },
  }
}

/** Runs a real valkey-server, which keeps its port across restarts. */
function startStore(port: number) {
  let child: ChildProcess | undefined
  const up = (): void => {
    const args = ['--port', String(port), '--save', '']
    child = spawn('valkey-server', args, { stdio: 'ignore' })
  }
  up()
  return {
    port,
    up,
    down(): void {
      child?.kill('SIGKILL')
      child = undefined
    },
    isUp: () => child !== undefined,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    flush: () => void spawnSync('valkey-cli', ['-p', String(port), 'FLUSHALL'], { timeout: 500 }),
  }
}

/** Reads a sample from /proc (proc(5)); NaN if the process does not exist. */
function sampleOf(pid: number): Sample {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const rssKb = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1])
    return { rssMb: rssKb / 1024, handles: readdirSync(`/proc/${pid}/fd`).length }
  } catch {
    return { rssMb: NaN, handles: NaN }
  }
}

/** Mounts a file like a Kubernetes Secret: behind the link `..data`, which is swapped in one step. */
function mountSecret(directory: string) {
  const file = join(directory, 'password')
  let version = 0
  function write(text: string): void {
    version += 1
    const next = `..v${version}`
    mkdirSync(join(directory, next), { recursive: true })
    writeFileSync(join(directory, next, 'password'), text, { mode: 0o600 })
    symlinkSync(next, join(directory, '..next'))
    renameSync(join(directory, '..next'), join(directory, '..data'))
  }
  write(FIRST_PASSWORD)
  symlinkSync(join('..data', 'password'), file)
  return { file, write, read: () => readFileSync(file, 'utf8') }
}
