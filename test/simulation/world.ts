// Runs a plan in one world: a simulated iSales, a store, and replicas of the whole program, in one process on virtual time.
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createSimulator, type Simulator } from '../../simulator/index.ts'
import { loadConfig } from '../../src/config/load.ts'
import { createLog } from '../../src/log/logger.ts'
import { startApp, type App } from '../../src/server.ts'
import {
  as,
  changeFile,
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
  socketsOf,
  stalledDisks,
  thaw,
  time,
  TOKEN_MARK,
  type Owner,
} from './patches.ts'
import { MEMORY } from '../support/temporary.ts'
import { createJudge, type Judge } from './judge.ts'
import type { LinkName, Plan } from './plan.ts'
import { judgeExecution, judgeRequest, play } from './play.ts'
import {
  FIRST_PASSWORD,
  ISALES_LATENCY,
  PASSWORD_MARK,
  type Machine,
  type Replica,
  type World,
} from './stage.ts'
import { openStore, type Store } from './store.ts'
import type { Finding } from './wire.ts'

const PORTS = { isales: 9400, store: 6379, proxy: 8080, admin: 9090 } as const
const USER = 'obs'
/** Maximum bytes of a login with its head. */
const LOGIN = 1000
/** Maximum timers of an idle process. */
const MAX_TIMERS = 40

export interface Outcome {
  readonly findings: readonly Finding[]
  /** Hash of everything that was sent and logged. */
  readonly hash: string
  /** How many calls ended. */
  readonly calls: number
}

/** CLIENT_DEADLINE, and a margin for the network and a body. */
const DEADLINE = 2800 + 400

/** @param trace prints a line of the trace. */
export function runPlan(plan: Plan, trace?: (line: string) => void): Outcome {
  const findings: Finding[] = []
  const judge = createJudge(plan, DEADLINE, (finding) => {
    findings.push(finding)
    trace?.(`FINDING ${finding.property}: ${finding.text} at ${finding.at / 1000}`)
  })
  const simulated = openWorld(plan, judge, trace)
  try {
    for (const { until, end } of play(plan, simulated.world, judge)) runUntil(until, end)
  } catch (error) {
    judge.find(12, time(), error instanceof Error ? (error.stack ?? '') : String(error))
  } finally {
    simulated.close()
  }
  return { findings, hash: simulated.digest(), calls: judge.calls().length }
}

/** A simulated process. */
interface Process extends Replica {
  owner: Owner
  app: App | undefined
}

function openWorld(plan: Plan, judge: Judge, trace?: (line: string) => void) {
  const onFinding = (property: number, text: string): void => judge.find(property, time(), text)
  const hash = createHash('sha1')
  const note = (line: string): void => {
    hash.update(line)
    trace?.(lineOf(line))
  }
  const crashed = (who: Owner, error: unknown): void => {
    onFinding(12, `${who.name} crashed: ${error instanceof Error ? error.stack : String(error)}`)
  }
  resetLoop(plan.seed, crashed)
  resetNetwork((from, to, bytes) => {
    // Metrics of the real process, such as memory, differ from run to run.
    if (from.port >= PORTS.admin && from.port < PORTS.isales) return
    hash.update(`${from.owner.name} ${from.label} ${bytes.length}`).update(bytes)
    const path = `${from.owner.name} ${from.label} -> ${to.owner.name}`
    trace?.(
      lineOf(`${path}: ${bytes.length} bytes ${JSON.stringify(bytes.toString('latin1', 0, 80))}`),
    )
    if (to.port === PORTS.isales && from.owner.name.startsWith('r')) watchLogins(from.label, bytes)
    const isClients = to.owner.name === 'clients' || to.owner.name === 'store'
    if (isClients) searchSecrets(bytes, `what ${to.owner.name} got on ${to.label}`)
  })
  resetMachine()
  const onRejection = (error: unknown): void => crashed(owner(), error)
  process.on('unhandledRejection', onRejection)

  /** Starts of logins whose body has not arrived whole. */
  const heads = new Map<string, string>()
  let lastPassword = ''
  function watchLogins(connection: string, bytes: Buffer): void {
    const text = bytes.toString('latin1', Math.max(0, bytes.length - LOGIN))
    const request = `${heads.get(connection) ?? ''}${text}`.slice(-LOGIN)
    const [, password] = /"passwd":"([^"]*)"/.exec(request) ?? []
    heads.set(connection, password === undefined ? request : '')
    if (password !== undefined) lastPassword = password
  }

  function searchSecrets(text: string | Buffer, where: string): void {
    if (text.includes(TOKEN_MARK) || text.includes(PASSWORD_MARK))
      onFinding(7, `a secret in ${where}`)
  }

  /** Begins an action of that program. */
  const begin = <T>(who: Owner, act: () => Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      schedule(() => void act().then(resolve, reject), 0, 'io', who)
    })

  linkTo(PORTS.isales).latency = ISALES_LATENCY
  const isalesOwner = createOwner('isales')
  let started: Simulator | undefined
  void begin(isalesOwner, () =>
    createSimulator({
      port: PORTS.isales,
      switches: { user: USER, password: FIRST_PASSWORD, lockAfter: 0 },
      onRequest(seen) {
        const { method, path, status, note: made, callId = '' } = seen
        note(`isales: ${method} ${path.split('/').slice(-2).join('/')} ${callId} ${status} ${made}`)
        judgeRequest(judge, { seen, to: time(), password: lastPassword }, plan)
      },
      onExecution: (record) => judgeExecution(judge, record, time()),
    }),
  ).then((simulator) => (started = simulator))
  runUntil(() => started !== undefined)
  if (started === undefined) throw new Error('the simulated iSales does not start')
  const isales: Simulator = started
  const store: Store | undefined = plan.shared ? openStore(PORTS.store) : undefined
  const directory = mkdtempSync(join(MEMORY, 'simulation-'))
  const secretFile = join(directory, 'password')
  writeFileSync(secretFile, FIRST_PASSWORD)
  writeFileSync(join(directory, 'key'), 'k'.repeat(40))

  const replicas: Process[] = []
  const stateDir = (index: number): string => join(directory, `state-${plan.shared ? index : 0}`)
  for (let index = 0; index < plan.replicas; index += 1) {
    mkdirSync(stateDir(index), { mode: 0o700, recursive: true })
    replicas.push({ index, owner: owner(), app: undefined, phase: 'stopped' })
  }
  let starts = 0

  function start(replica: Process): void {
    const { index } = replica
    starts += 1
    const own = createOwner(`r${index}.${starts}`)
    Object.assign(replica, { owner: own, phase: 'starting', app: undefined })
    const env = {
      ISALES_URL: `http://isales.test:${PORTS.isales}`,
      ISALES_ALLOW_HTTP: 'true',
      ISALES_USER: USER,
      ISALES_PASSWORD_FILE: secretFile,
      LISTEN: `127.0.0.1:${PORTS.proxy + index}`,
      ADMIN_LISTEN: `127.0.0.1:${PORTS.admin + index}`,
      STATE_DIR: stateDir(index),
      LOG_LEVEL: 'debug',
      ...(store && {
        SESSION_STORE_URL: `redis://127.0.0.1:${PORTS.store}`,
        SESSION_STORE_KEY_FILE: join(directory, 'key'),
      }),
      ...plan.env,
    }
    const run = async (): Promise<void> => {
      const loaded = loadConfig(env)
      if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems))
      const write = (line: string): void => {
        note(`${own.name} log ${line.trim()}`.replaceAll(directory, ''))
        searchSecrets(line, `the log of ${own.name}`)
        // A mistake of the program, or a function of Node that is missing here.
        if (line.includes('"name":"TypeError"')) onFinding(12, line.trim())
      }
      const log = await createLog({ level: 'debug', format: 'json', destination: { write } })
      const app = await startApp({
        config: { ...loaded.config, ...plan.config },
        env,
        limits: { bodyIdleTimeout: 5000 },
        version: 'simulated',
        log,
      })
      if (replica.owner !== own || own.state === 'dead') return
      Object.assign(replica, { app, phase: 'running' })
    }
    begin(own, run).catch((error: unknown) => crashed(own, error))
  }

  const machineOf = (who: Owner): Machine => ({
    time,
    later: (ms, run) => void schedule(run, ms, 'io', who),
    enter: (act) => as(who, act),
  })
  const machine = machineOf(owner())
  const { later } = machine

  const keep = (): void => {
    store?.keep()
    searchSecrets(store?.dump() ?? '', 'the store')
    later(17_000, keep)
  }
  later(5000, keep)

  const portsOf = (link: LinkName): number[] =>
    link === 'proxy' ? replicas.map(({ index }) => PORTS.proxy + index) : [PORTS[link]]

  const world: World<Process> = {
    machine,
    clients: machineOf(createOwner('clients')),
    note,
    waits: { calm: 60_000, silence: 665_000, afterwards: 120_000 },
    ports: {
      isales: PORTS.isales,
      proxy: (index) => PORTS.proxy + index,
      admin: (index) => PORTS.admin + index,
    },
    isales,
    atIsales: (act) => void begin(isalesOwner, act),
    store,
    setPassword: (password) => changeFile(secretFile, password),
    replicas,
    searchSecrets,
    start,

    kill(replica) {
      kill(replica.owner)
      Object.assign(replica, { phase: 'stopped', app: undefined })
    },

    stop(replica) {
      const { app, owner: own } = replica
      if (app === undefined || replica.phase !== 'running') return
      replica.phase = 'stopping'
      const stopped = (): void => {
        if (replica.owner === own && replica.phase === 'stopping') replica.phase = 'stopped'
      }
      begin(own, () => app.stop()).then(stopped, (error: unknown) => crashed(own, error))
    },

    hangUp({ app, owner: own }) {
      if (app !== undefined) schedule(() => void app.renew(), 0, 'io', own)
    },

    freeze({ owner: own }) {
      if (own.state === 'running') own.state = 'frozen'
    },

    thaw({ owner: own }) {
      thaw(own)
    },

    links: (name) => portsOf(name).map(linkTo),
    breakDisk(index, how, ms) {
      const disk = stateDir(index)
      if (how === 'stalled') stalledDisks.set(disk, time() + ms)
      else fullDisks.add(disk)
      if (how === 'full') later(ms, () => fullDisks.delete(disk))
    },
    mend() {
      for (const link of (['isales', 'store', 'proxy'] as const).flatMap(world.links))
        Object.assign(link, { cutAfter: undefined, stalledUntil: 0 })
    },

    left({ owner: own }, when) {
      if (when === 'end') return socketsOf(own).map(({ label, port }) => `${label} of ${port}`)
      const most = when === 'idle' ? MAX_TIMERS : 0
      return own.timers > most ? [`${own.timers} timers`] : []
    },
  }

  return {
    world,
    digest: () => hash.copy().digest('hex').slice(0, 16),

    close(): void {
      process.off('unhandledRejection', onRejection)
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** Formats a line of the trace. */
const lineOf = (event: string): string => `${(time() / 1000).toFixed(4).padStart(9)} ${event}`
