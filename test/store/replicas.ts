import { setTimeout as delay } from 'node:timers/promises'
import { afterEach } from 'vitest'
import type { Environment } from '../../src/config/load.ts'
import { Secret } from '../../src/config/secret.ts'
import { createSealer } from '../../src/sharing/sealer.ts'
import type { SharedState } from '../../src/token/register.ts'
import { createSimulator, INTERFACE_PATHS, type Simulator } from '../../simulator/index.ts'
import { builtProgram, type Program } from '../cli/program.ts'
import { call } from '../support/call.ts'
import { temporaryFiles } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { ENGINES, startServer, type StoreServer } from './servers.ts'
import { startProxy } from './tcp-proxy.ts'

export const PASSWORD = 'canary-isales-password'
export const KEY = 'canary-key-of-the-store-0123456789'

/** A built program. */
export interface Replica {
  readonly program: Program
  readonly proxy: string
  readonly admin: string
}

/** Built programs that share a token, and the iSales that they use; all of it ends with the test. */
export function sharingPrograms() {
  const start = builtProgram()
  const file = temporaryFiles()
  const keyFile = file('key', KEY)
  let sim: Simulator | undefined
  afterEach(async () => {
    await sim?.close()
    sim = undefined
  })

  /** What every command needs to know, for the store on this port. */
  const environment = (port: number): Environment => ({
    ISALES_URL: sim?.origin,
    ISALES_USER: sim?.switches.user,
    ISALES_PASSWORD: PASSWORD,
    SESSION_STORE_URL: `valkey://127.0.0.1:${port}`,
    SESSION_STORE_KEY_FILE: keyFile,
  })

  const startReplica = async (port: number, more: Environment = {}): Promise<Replica> => {
    const program = start([], {
      ...environment(port),
      LISTEN: '127.0.0.1:0',
      ADMIN_LISTEN: '127.0.0.1:0',
      LOG_LEVEL: 'debug',
      ...more,
    })
    return { program, ...(await program.addresses()) }
  }

  const startReplicas = (count: number, port: number, more: Environment = {}) =>
    Promise.all(Array.from({ length: count }, () => startReplica(port, more)))

  /** An account that allows one session, whose tokens end when they are refreshed. */
  const openIsales = async (seconds: number): Promise<Simulator> => {
    sim = await createSimulator({
      switches: {
        password: PASSWORD,
        singleSession: true,
        refreshEndsOld: true,
        rotate: true,
        tokenLifetime: seconds,
        refreshLifetime: 3600,
        lockAfter: 0,
      },
    })
    return sim
  }

  return {
    start,
    environment,
    startReplica,
    /** Writes a file and gives its path. */
    file,

    startReplicas,
    openIsales,

    /** Programs that share through a real server, and calls on each of them. */
    serve: async ({
      engine = ENGINES[0] ?? 'valkey',
      /** That a token lives. */
      seconds = 60,
      count = 3,
      /** They reach the server through `network`. */
      isSlow = false,
    } = {}) => {
      const isales = await openIsales(seconds)
      const server = await startServer({ engine })
      const network = await startProxy(server.port)
      const replicas = await startReplicas(count, isSlow ? network.port : server.port)
      await authenticated(replicas)
      await inState(replicas, { state: 'shared' })
      return { sim: isales, server, network, replicas, calls: startTraffic(replicas) }
    },
  }
}

const tasks = ({ proxy }: Replica) =>
  call(`${proxy}${INTERFACE_PATHS.getTask}`, { method: 'POST', body: '{"subCCNo":1,"vdnId":1}' })

/** Calls on each replica, ten a second. */
function startTraffic(replicas: readonly Replica[]) {
  const failed: number[] = []
  let calls = 0
  const over = new AbortController()
  const send = async (replica: Replica): Promise<void> => {
    while (!over.signal.aborted) {
      const { status } = await tasks(replica)
      calls += 1
      if (status !== 200) failed.push(status)
      await delay(100)
    }
  }
  const sending = Promise.all(replicas.map(send))
  // A test that fails before it ends the traffic says why by itself.
  sending.catch(() => undefined)
  return {
    /** Calls so far. */
    count: () => calls,
    /** Ends it; the statuses that were no success. @throws {Error} when there was no call. */
    async stop(): Promise<readonly number[]> {
      over.abort()
      await sending
      if (calls < replicas.length) throw new Error('no traffic')
      return failed
    },
  }
}

/** The same for so many milliseconds. */
export async function traffic(
  replicas: readonly Replica[],
  ms: number,
): Promise<readonly number[]> {
  const running = startTraffic(replicas)
  await delay(ms)
  return running.stop()
}

/** Until a call on each replica succeeds. */
export async function authenticated(replicas: readonly Replica[]): Promise<void> {
  for (const replica of replicas) {
    await until(async () => (await tasks(replica)).status === 200, 20_000)
  }
}

/** What a replica says of sharing. */
export async function sharingOf({ admin }: Replica): Promise<Readonly<Record<string, unknown>>> {
  const { sharing } = (await call(`${admin}/status.json`)).json
  return Object(sharing)
}

/** Until each replica says so; it looks at the store each second. */
export async function inState(
  replicas: readonly Replica[],
  state: Readonly<Record<string, unknown>>,
): Promise<void> {
  const wanted = Object.entries(state)
  for (const replica of replicas) {
    await until(async () => {
      const sharing = await sharingOf(replica)
      return wanted.every(([name, value]) => sharing[name] === value)
    }, 20_000)
  }
}

/** The key of the account in the store. */
export async function keyOf(server: StoreServer): Promise<string | undefined> {
  const [key] = (await server.cli('KEYS', '*:account')).split('\n')
  return key === '' ? undefined : key
}

const HEX = `local value = redis.call('GET', KEYS[1]) or ''
return (string.gsub(value, '.', function(byte) return string.format('%02x', string.byte(byte)) end))`

/** What is in a key, as latin1. */
export async function valueOf(server: StoreServer, key: string): Promise<string> {
  const hex = await server.cli('EVAL', HEX, '1', key)
  return Buffer.from(hex, 'hex').toString('latin1')
}

/** What the replicas know of the account; undefined: nothing is there. */
export async function accountIn(
  server: StoreServer,
  { origin, switches }: Simulator,
): Promise<SharedState | undefined> {
  const key = await keyOf(server)
  if (key === undefined) return undefined
  const sealer = createSealer(new Secret(KEY), origin, switches.user)
  return sealer.open(await valueOf(server, key), 0, Date.now())
}
