import { setTimeout as delay } from 'node:timers/promises'
import type { Environment } from '../../src/config/load.ts'
import { Secret } from '../../src/config/secret.ts'
import { createSealer } from '../../src/sharing/sealer.ts'
import { decodeState, type SharedState } from '../../src/token/stored-state.ts'
import type { Simulator } from '../../simulator/index.ts'
import { builtProgram, type Program } from '../cli/program.ts'
import { simulate } from '../simulator/caller.ts'
import { temporaryFiles } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { clientOf } from '../support/world.ts'
import type { StoreServer } from './servers.ts'

export const PASSWORD = 'canary-isales-password'
export const KEY = 'canary-key-of-the-store-0123456789'

export type Replica = Readonly<{ program: Program; proxy: string; admin: string }>

/** Built programs that share a token, and their iSales, all of which end with the test. */
export function sharingPrograms() {
  const start = builtProgram()
  const file = temporaryFiles()
  const keyFile = file('key', KEY)
  let sim: Simulator | undefined

  /** Returns what every command needs, for the store on this port. */
  const environment = (port: number): Environment => ({
    ISALES_URL: sim?.origin,
    ISALES_USER: sim?.switches.user,
    ISALES_PASSWORD: PASSWORD,
    SESSION_STORE_URL: `valkey://127.0.0.1:${port}`,
    SESSION_STORE_KEY_FILE: keyFile,
  })

  const startReplica = async (port: number, more: Environment = {}): Promise<Replica> => {
    const listen = { LISTEN: '127.0.0.1:0', ADMIN_LISTEN: '127.0.0.1:0', LOG_LEVEL: 'debug' }
    const program = start([], { ...environment(port), ...listen, ...more })
    return { program, ...(await program.addresses()) }
  }

  const startReplicas = (count: number, port: number, more: Environment = {}) =>
    Promise.all(Array.from({ length: count }, () => startReplica(port, more)))

  /** Opens an iSales that allows one session, and whose tokens end when they are refreshed. */
  const openIsales = async (seconds: number): Promise<Simulator> => {
    const session = { singleSession: true, refreshEndsOld: true, rotate: true, lockAfter: 0 }
    const lifetimes = { tokenLifetime: seconds, refreshLifetime: 3600 }
    const opened = await simulate({ switches: { password: PASSWORD, ...session, ...lifetimes } })
    return (sim = opened.sim)
  }

  return { start, environment, startReplica, startReplicas, openIsales, file }
}

export function startTraffic(replicas: readonly Replica[]) {
  const statuses: number[] = []
  const over = new AbortController()
  const send = async (replica: Replica): Promise<void> => {
    while (!over.signal.aborted) {
      statuses.push((await clientOf(replica).tasks()).status)
      await delay(100)
    }
  }
  const sending = Promise.all(replicas.map(send))
  // Not unhandled if a test fails before it ends the traffic.
  sending.catch(() => undefined)
  return {
    /** Ends the traffic, and returns the statuses of failed calls. @throws {Error} without a call. */
    async stop(): Promise<readonly number[]> {
      over.abort()
      await sending
      if (statuses.length < replicas.length) throw new Error('no traffic')
      return statuses.filter((status) => status !== 200)
    },
  }
}

export async function authenticated(replicas: readonly Replica[]): Promise<void> {
  for (const replica of replicas)
    await until(async () => (await clientOf(replica).tasks()).status === 200, 20_000)
}

/** Waits until each replica, which polls the store every second, shows this state of sharing, cause and error code. */
export async function inState(replicas: readonly Replica[], ...shown: string[]): Promise<void> {
  for (const replica of replicas)
    await until(async () => {
      const { groups, findings } = await clientOf(replica).status()
      const { cause, facts = [] } = findings.find(({ finding }) => finding === 'store') ?? {}
      const texts = new Set([groups.renewal.sharing, cause, ...facts.map(([, value]) => value)])
      return shown.every((text) => texts.has(text))
    }, 20_000)
}

/** Returns the account's key in the store; empty if there is none. */
export async function keyOf(server: StoreServer): Promise<string> {
  // The command also prints errors to its output.
  return /^.*:account$/m.exec(await server.cli('KEYS', '*:account'))?.[0] ?? ''
}

export async function accountIn(
  server: StoreServer,
  { origin, switches }: Simulator,
): Promise<SharedState | undefined> {
  const sealer = createSealer(new Secret(KEY), origin, switches.user)
  const text = sealer.open(await server.cli('GET', await keyOf(server))) ?? ''
  return decodeState(text, 0, Date.now())
}
