import { readFile } from 'node:fs/promises'
import type { RedisOptions } from 'ioredis'
import { codeOf, storeFailureOf, type StoreFailureReason } from '../causes.ts'
import type { Clock } from '../clock.ts'
import type { Config, StoreAddress } from '../config/index.ts'
import { REPLIES, SCRIPTS, type Cell, type Reply, type StoreFailure } from './cell.ts'
import type { StoreCall } from './sharing-log.ts'
import { fixReplies } from './ioredis-workarounds.ts'
import { VERSION } from './seal.ts'

export interface ValkeyOptions {
  readonly config: Config
  /** `SESSION_STORE_URL`. */
  readonly address: StoreAddress
  /** Names the account: keys and the channel begin with `isales-auth-proxy:v3:{<place>}:`. */
  readonly place: string
  readonly clock: Clock
  readonly random: () => number
  readonly observe: (call: StoreCall) => void
}

const PREFIX = 'isales-auth-proxy'
const CONNECT_TIMEOUT = 1000
const COMMAND_TIMEOUT = 500
const DEFAULT_USER = 'default'
const MIN_RETRY = 100
const MAX_RETRY = 1000
const RETRY_JITTER = 200

/** The cell on Valkey or Redis. Two connections: one for operations, one that listens. */
export async function createValkeyCell(options: ValkeyOptions): Promise<Cell> {
  const { clock } = options
  const library = await loadLibrary()
  const settings = connectionOptions(options, () => void refresh())
  const commands = new library.Redis(settings)
  const listener = new library.Redis(settings)
  /** The library looks at its options each time that it connects. What cannot be read stays as it was. */
  const refresh = async (): Promise<void> => {
    const { sessionStorePasswordFile, sessionStoreCaFile } = options.config
    const password = (await textOf(sessionStorePasswordFile))?.replace(/[\r\n]{1,2}$/, '')
    const ca = await textOf(sessionStoreCaFile)
    for (const { options: latest } of [commands, listener]) {
      // Without a name, a server that wants no password would refuse one.
      const username = options.address.user ?? DEFAULT_USER
      if (password) Object.assign(latest, { username, password })
      if (ca && latest.tls) Object.assign(latest.tls, { ca })
    }
  }
  await refresh()
  const key = (name: string): string => `${PREFIX}:${VERSION}:{${options.place}}:${name}`
  // A channel is of no database, and replicas with another one share nothing.
  const channel = key(`changed:${options.address.database}`)
  /** Resolves with the first connection, or when nobody waits for it any more. */
  let connected = Promise.resolve()
  /** Why the last connection is of no use. */
  let broken: StoreFailureReason = 'unreachable'

  /** @param parse undefined for a reply that is none. */
  const call = async <Parsed>(
    operation: StoreCall['operation'],
    send: () => Promise<unknown>,
    parse: (reply: unknown) => Parsed | undefined,
  ): Promise<Parsed | StoreFailure> => {
    await connected
    const startedAt = clock.now()
    let reply: Parsed | undefined
    let failure: StoreFailureReason | undefined
    try {
      reply = parse(await send())
      if (reply === undefined) {
        failure = 'malformed'
        // It may be the reply of another command.
        commands.disconnect(true)
      } else broken = 'unreachable'
    } catch (error) {
      const late = clock.now() - startedAt >= COMMAND_TIMEOUT - 1
      failure = reasonOf(error)
      if (failure === 'auth') broken = 'auth'
      if (failure === 'unreachable' && late) broken = 'timeout'
      if (failure === 'unreachable') failure = broken
    }
    options.observe({ operation, durationMs: clock.now() - startedAt, failure })
    return reply ?? { type: 'failure', reason: failure ?? 'malformed' }
  }

  /** Bytes as latin1: what somebody else wrote into a key comes, and goes back, unchanged. */
  const run = (
    script: keyof typeof SCRIPTS,
    name: string,
    args: readonly (string | number | boolean)[],
    operation: StoreCall['operation'] = script,
  ): Promise<Reply | StoreFailure> => {
    const keys = ['token', 'lease', name].map(key)
    const bytes = args.map((arg) => Buffer.from(String(arg), 'latin1'))
    const send = () => commands.callBuffer('EVAL', SCRIPTS[script], keys.length, ...keys, ...bytes)
    return call(operation, send, parseReply)
  }

  return {
    claim: ({ seen, lease, book }) => run('claim', book, [seen, lease]),
    put: ({ lease, key: name, value, ms, release }) =>
      run('put', name, [lease, value, ms, release]),
    read: () => run('put', 'token', ['', '', 0, false], 'read'),
    async publish() {
      await call(
        'publish',
        () => commands.publish(channel, ''),
        () => true,
      )
    },

    async replicas() {
      // A listening connection that broke silently is found by a ping without reply.
      if (listener.status === 'ready') listener.ping().catch(ignore)
      const count = await call('replicas', () => commands.pubsub('NUMSUB', channel), parseCount)
      return typeof count === 'number' ? count : undefined
    },

    start(look) {
      connected = new Promise((resolve) => {
        const wait = clock.setTimer(resolve, CONNECT_TIMEOUT)
        commands.once('ready', () => {
          wait.cancel()
          resolve()
        })
      })
      commands.on('ready', () => {
        look()
        // People see what it finds, and the next look may be 10 s away.
        commands.once('close', look)
      })
      commands.on('error', (error) => {
        // A connection that is left since nothing came has no code; its command says so.
        if (codeOf(error) !== 'unknown') broken = reasonOf(error)
      })
      listener.on('error', ignore)
      listener.on('ready', () => {
        listener.subscribe(channel).then(look, ignore)
      })
      listener.on('message', look)
      // A connection that fails is tried again; the events say how it goes.
      commands.connect().catch(ignore)
      listener.connect().catch(ignore)
    },

    stop() {
      commands.disconnect()
      listener.disconnect()
    },
  }
}

function parseReply(reply: unknown): Reply | undefined {
  if (!Array.isArray(reply) || reply.length !== 3) return undefined
  const [name, value, ms] = reply.map(asText)
  const type = REPLIES.find((each) => each === name)
  return type && typeof value === 'string' && typeof ms === 'number'
    ? { type, value, ms }
    : undefined
}

/** Of PUBSUB NUMSUB: the channel and its listeners. */
function parseCount(reply: unknown): number | undefined {
  const count: unknown = Array.isArray(reply) ? reply[1] : undefined
  return typeof count === 'number' ? count : undefined
}

/** Errors of the library carry the arguments of their command, the password of AUTH too: only a name leaves. */
function reasonOf(error: unknown): StoreFailureReason {
  return storeFailureOf(codeOf(error), Object(error).name === 'ReplyError')
}

/** With `DEBUG=ioredis:*` in its environment the library prints the arguments of AUTH when it is loaded. */
async function loadLibrary() {
  const { DEBUG } = process.env
  delete process.env['DEBUG']
  try {
    // Bundled CommonJS modules have no other export.
    const { default: library } = await import('ioredis')
    const { default: handler } = await import('ioredis/built/DataHandler.js')
    fixReplies(handler)
    return library
  } finally {
    if (DEBUG !== undefined) process.env['DEBUG'] = DEBUG
  }
}

function connectionOptions(
  { address, random }: ValkeyOptions,
  refresh: () => void,
): RedisOptions & { readonly replyMapping: 'legacy' } {
  let refused = false
  const retryStrategy = (attempt: number): number => {
    // Read before the next connection: a corrected file is a cure.
    refresh()
    const wait = refused ? MAX_RETRY : Math.min(MAX_RETRY, MIN_RETRY * 2 ** (attempt - 1))
    refused = false
    return wait + random() * RETRY_JITTER
  }
  return {
    host: address.host,
    port: address.port,
    lazyConnect: true,
    enableReadyCheck: false,
    protocol: 2,
    replyMapping: 'legacy',
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    disableClientInfo: true,
    db: address.database,
    commandTimeout: COMMAND_TIMEOUT,
    connectTimeout: CONNECT_TIMEOUT,
    // A server that takes connections and never replies is left, and found again when it replies.
    socketTimeout: 2 * COMMAND_TIMEOUT,
    disconnectTimeout: CONNECT_TIMEOUT,
    retryStrategy,
    reconnectOnError(error) {
      refused = reasonOf(error) === 'auth'
      return refused || reasonOf(error) === 'readonly'
    },
    ...(address.tls && { tls: {} }),
  }
}

/** What files hold now. Asynchronous, since a mount that hangs must stop no call. Undefined: it cannot be read. */
async function textOf(path: string | undefined): Promise<string | undefined> {
  return path === undefined ? undefined : readFile(path, 'utf8').catch(() => undefined)
}

function asText(value: unknown): unknown {
  return Buffer.isBuffer(value) ? value.toString('latin1') : value
}

function ignore(): void {}
