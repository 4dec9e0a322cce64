// One world: a simulated iSales, a store, and replicas of the whole program, in one process on virtual time.
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSimulator, type SeenRequest, type Simulator } from '../../simulator/index.ts'
import { loadConfig } from '../../src/config/load.ts'
import { createLog } from '../../src/log/logger.ts'
import { startApp, type App } from '../../src/server.ts'
import {
  createOwner,
  fullDisks,
  kill,
  linkTo,
  owner,
  resetLoop,
  resetMachine,
  resetNetwork,
  runUntil,
  schedule,
  thaw,
  time,
  TOKEN_MARK,
  type Owner,
} from './patches.ts'
import { openStore, type Store } from './store.ts'

export const PORTS = { isales: 9400, store: 6379, proxy: 8080, admin: 9090 } as const
/** Milliseconds to and from iSales. */
export const LATENCY = [1, 8] as const
const USER = 'obs'
/** In every password, so that one of them is found wherever it must not be. */
export const PASSWORD_MARK = 'SECRETpassword'
export const FIRST_PASSWORD = `${PASSWORD_MARK}-1`

export interface WorldOptions {
  readonly seed: number
  readonly replicas: number
  /** The replicas share a token. */
  readonly shared: boolean
  readonly singleSession: boolean
  /** Settings over those of the world. */
  readonly env: Readonly<Record<string, string>>
  /** Called with each line of the trace. */
  readonly trace?: ((line: string) => void) | undefined
  readonly onRequest: (seen: SeenRequest, at: number) => void
  readonly onExecution: (callId: string, at: number) => void
  /** iSales has refused a login of a replica for its password. */
  readonly onWrongLogin: (password: string) => void
  /** What must not be: a crash, a secret where it must not be. */
  readonly onFinding: (judgement: number, text: string) => void
}

export type Phase = 'starting' | 'running' | 'stopping' | 'stopped'

/** One process of the proxy, from its start to its end. */
export interface Replica {
  readonly index: number
  owner: Owner
  app: App | undefined
  phase: Phase
  /** Of the process. */
  startedAt: number
}

export type World = ReturnType<typeof openWorld>

export function openWorld(options: WorldOptions) {
  const { seed, onFinding } = options
  const hash = createHash('sha1')
  const note = (line: string): void => {
    hash.update(line)
    options.trace?.(`${(time() / 1000).toFixed(4).padStart(9)} ${line}`)
  }
  const crashed = (who: Owner, error: unknown): void => {
    onFinding(6, `${who.name} crashed: ${error instanceof Error ? error.stack : String(error)}`)
  }
  resetLoop(seed, crashed)
  resetNetwork(({ from, to, bytes }) => {
    // The metrics of the process are real: memory, and the like.
    if (from.port >= PORTS.admin && from.port < PORTS.isales) return
    const text = bytes.toString('latin1')
    note(
      `${from.owner.name} ${from.label} -> ${to.owner.name}: ${bytes.length} bytes ${headOf(text)}`,
    )
    hash.update(text)
    if (to.port === PORTS.isales && from.owner.name.startsWith('r')) watchLogins(from.label, text)
    const isClients = to.owner.name === 'clients' || to.owner.name === 'store'
    if (isClients) searchSecrets(text, `what ${to.owner.name} got on ${to.label}`)
  })
  resetMachine()
  const onRejection = (error: unknown): void => crashed(owner(), error)
  process.on('unhandledRejection', onRejection)

  /** The body of a login may come in parts. */
  const heads = new Map<string, string>()
  let lastPassword = ''
  function watchLogins(connection: string, text: string): void {
    const request = `${heads.get(connection) ?? ''}${text}`.slice(-1000)
    const [, password] = /"passwd":"([^"]*)"/.exec(request) ?? []
    heads.set(connection, password === undefined ? request : '')
    if (password !== undefined) lastPassword = password
  }

  function searchSecrets(text: string, where: string): void {
    if (text.includes(TOKEN_MARK) || text.includes(PASSWORD_MARK))
      onFinding(5, `a secret in ${where}`)
  }

  /** Begins it as that program. */
  const begin = <T>(who: Owner, act: () => Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      schedule(() => void act().then(resolve, reject), 0, 'io', who)
    })

  /** Runs the world until the promise has settled. */
  function settled<T>(promise: Promise<T>): T {
    let outcome: { readonly value: T } | { readonly error: unknown } | undefined
    promise.then(
      (value) => (outcome = { value }),
      (error: unknown) => (outcome = { error }),
    )
    runUntil(() => outcome !== undefined)
    if (outcome === undefined) throw new Error('nothing is left to do, and the promise waits')
    if ('error' in outcome) throw outcome.error
    return outcome.value
  }

  linkTo(PORTS.isales).latency = LATENCY
  const isalesOwner = createOwner('isales')
  const isales: Simulator = settled(
    begin(isalesOwner, () =>
      createSimulator({
        port: PORTS.isales,
        switches: {
          user: USER,
          password: FIRST_PASSWORD,
          singleSession: options.singleSession,
          lockAfter: 0,
        },
        onRequest(seen) {
          const { method, path, status, note: made, callId = '' } = seen
          note(
            `isales: ${method} ${path.split('/').slice(-2).join('/')} ${callId} ${status} ${made}`,
          )
          options.onRequest(seen, time())
          if (made.startsWith('wrong password')) options.onWrongLogin(lastPassword)
        },
        onExecution({ rawHeaders, id }) {
          const index = rawHeaders.findIndex((name) => name.toLowerCase() === 'x-call-id')
          if (index === -1) return
          const callId = rawHeaders[index + 1] ?? ''
          // It is in the body, or in the query, too.
          if (id !== callId) onFinding(2, `${callId} was executed with another body`)
          options.onExecution(callId, time())
        },
      }),
    ),
  )
  const store: Store | undefined = options.shared ? openStore(PORTS.store) : undefined
  const directory = mkdtempSync(join(tmpdir(), 'simulation-'))
  const secretFile = join(directory, 'password')
  writeFileSync(secretFile, FIRST_PASSWORD)
  writeFileSync(join(directory, 'key'), 'k'.repeat(40))

  const replicas: Replica[] = []
  const stateDir = (index: number): string => join(directory, `state-${index}`)
  for (let index = 0; index < options.replicas; index += 1) {
    mkdirSync(stateDir(index), { mode: 0o700 })
    replicas.push({ index, owner: owner(), app: undefined, phase: 'stopped', startedAt: 0 })
  }
  let starts = 0

  function start(replica: Replica): void {
    const { index } = replica
    starts += 1
    const own = createOwner(`r${index}.${starts}`)
    Object.assign(replica, { owner: own, phase: 'starting', startedAt: time(), app: undefined })
    const env = {
      ISALES_URL: `http://isales.test:${PORTS.isales}`,
      ISALES_ALLOW_HTTP: 'true',
      ISALES_USER: USER,
      ISALES_PASSWORD_FILE: secretFile,
      LISTEN: `127.0.0.1:${PORTS.proxy + index}`,
      ADMIN_LISTEN: `127.0.0.1:${PORTS.admin + index}`,
      STATE_DIR: stateDir(index),
      LOG_LEVEL: 'debug',
      ACCESS_LOG: '1',
      ...(store && {
        SESSION_STORE_URL: `redis://127.0.0.1:${PORTS.store}`,
        SESSION_STORE_KEY_FILE: join(directory, 'key'),
      }),
      ...options.env,
    }
    const run = async (): Promise<void> => {
      const loaded = loadConfig(env)
      if (!loaded.ok) throw new Error(JSON.stringify(loaded.errors))
      const write = (line: string): void => {
        note(`${own.name} log ${line.trim()}`.replaceAll(directory, ''))
        searchSecrets(line, `the log of ${own.name}`)
      }
      const log = await createLog({ level: 'debug', format: 'json', destination: { write } })
      const app = await startApp({ config: loaded.config, version: 'simulated', log })
      if (replica.owner !== own || own.state === 'dead') return
      Object.assign(replica, { app, phase: 'running' })
    }
    begin(own, run).catch((error: unknown) => crashed(own, error))
  }

  return {
    isales,
    /** Does it as iSales. */
    atIsales: (act: () => Promise<unknown>) => void begin(isalesOwner, act),
    store,
    secretFile,
    replicas,
    settled,
    note,
    searchSecrets,
    start,

    /** SIGKILL. */
    kill(replica: Replica): void {
      kill(replica.owner)
      Object.assign(replica, { phase: 'stopped', app: undefined })
    },

    /** SIGTERM. */
    stop(replica: Replica): void {
      const { app, owner: own } = replica
      if (app === undefined || replica.phase !== 'running') return
      replica.phase = 'stopping'
      const stopped = (): void => {
        if (replica.owner === own && replica.phase === 'stopping') replica.phase = 'stopped'
      }
      begin(own, () => app.stop()).then(stopped, (error: unknown) => crashed(own, error))
    },

    /** SIGHUP. */
    hangUp({ app, owner: own }: Replica): void {
      if (app !== undefined) schedule(() => void app.renew('SIGHUP'), 0, 'io', own)
    },

    freeze({ owner: own }: Replica): void {
      if (own.state === 'running') own.state = 'frozen'
    },

    thaw({ owner: own }: Replica): void {
      thaw(own)
    },

    fillDisk: ({ index }: Replica) => void fullDisks.add(stateDir(index)),
    freeDisk: ({ index }: Replica) => void fullDisks.delete(stateDir(index)),

    digest: () => hash.copy().digest('hex').slice(0, 16),

    close(): void {
      process.off('unhandledRejection', onRejection)
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** What a person reads of a message. */
function headOf(text: string): string {
  const [first = ''] = text.split('\r\n', 1)
  return /^[\x20-\x7e]{1,120}$/.test(first) ? `| ${first}` : ''
}
