import { readFile } from 'node:fs/promises'
import type { RedisOptions } from 'ioredis'
import { readErrorCode, classifyStoreError } from '../codes.ts'
import type { Clock } from '../clock.ts'
import type { Config, StoreAddress } from '../config/index.ts'
import type { StoredValue } from '../token/index.ts'
import { fixReplies } from './ioredis-workarounds.ts'
import { VERSION } from './sealer.ts'
import { SCRIPT, type Store, type StoreCall, type StoreFailure } from './store.ts'

export interface ValkeyOptions {
  readonly config: Config
  /** `SESSION_STORE_URL`. */
  readonly address: StoreAddress
  /** Names the account: the key is `isales-auth-proxy:v5:{<storeKey>}:account`. */
  readonly storeKey: string
  readonly clock: Clock
  readonly random: () => number
  readonly observe: (call: StoreCall) => void
}

const CONNECT_TIMEOUT = 1000
const COMMAND_TIMEOUT = 500
const MIN_RETRY = 100
const MAX_RETRY = 2000
const RETRY_JITTER = 200
/** What Valkey and Redis write at the beginning of an error. */
const SERVER_CODE = /^[A-Z]{2,20}$/

const UNREACHABLE: StoreFailure = { reason: 'unreachable' }

/** Valkey or Redis: one connection, opened again by the library whenever it is lost. */
export async function createValkeyStore(options: ValkeyOptions): Promise<Store> {
  const { clock, random, config, address } = options
  const key = `isales-auth-proxy:${VERSION}:{${options.storeKey}}:account`
  const library = await loadLibrary()
  const redis = new library.Redis(connectionOptions(address, random))
  /** Resolves with the first connection, or after the longest wait for it. */
  let connected = Promise.resolve()
  /** Why the last connection cannot be used. */
  let broken = UNREACHABLE
  let isStopped = false

  /** For the next connection: password and authority may have changed. A file that cannot be read changes nothing. */
  const readFiles = async (): Promise<void> => {
    const password = (await textOf(config.sessionStorePasswordFile))?.replace(/[\r\n]{1,2}$/, '')
    const ca = await textOf(config.sessionStoreCaFile)
    // Without a user, a server without a password would refuse one.
    if (password) Object.assign(redis.options, { username: address.user ?? 'default', password })
    if (ca && address.tls) redis.options.tls = { ca }
  }

  return {
    async compareAndSwap(seen, next) {
      await connected
      const startedAt = clock.now()
      let outcome: StoredValue | StoreFailure
      try {
        const bytes = [seen, next].map((text) => Buffer.from(text, 'latin1'))
        outcome = parseReply(await redis.callBuffer('EVAL', SCRIPT, 1, key, ...bytes))
      } catch (error) {
        if (clock.now() - startedAt >= COMMAND_TIMEOUT - 1) broken = { reason: 'timeout' }
        outcome = toStoreFailure(error, broken)
      }
      const { reason, code } = 'reason' in outcome ? outcome : {}
      // The next reply may be of another command, or the primary is elsewhere now.
      if (reason === 'malformed' || code === 'READONLY') redis.disconnect(true)
      const operation = next === '' ? 'read' : 'swap'
      options.observe({ operation, durationMs: clock.now() - startedAt, failure: reason })
      return outcome
    },

    start(onConnection) {
      connected = new Promise((resolve) => {
        clock.setTimer(resolve, CONNECT_TIMEOUT)
        redis.once('ready', resolve)
      })
      redis.on('ready', () => {
        broken = UNREACHABLE
        onConnection()
      })
      redis.on('close', () => {
        void readFiles()
        onConnection()
      })
      redis.on('error', (error) => {
        // A connection that was left because it was silent has no code; its command has.
        if (readErrorCode(error) !== 'unknown') broken = toStoreFailure(error, UNREACHABLE)
      })
      void readFiles().then(async () => {
        // An event also says why, and the library tries again.
        if (!isStopped) await redis.connect().catch(() => undefined)
      })
    },

    stop() {
      isStopped = true
      redis.disconnect()
    },
  }
}

async function textOf(path: string | undefined): Promise<string | undefined> {
  return path === undefined ? undefined : readFile(path, 'utf8').catch(() => undefined)
}

function parseReply(reply: unknown): StoredValue | StoreFailure {
  const [value, seconds, micros, ...more] = Array.isArray(reply)
    ? reply.map((part) => (Buffer.isBuffer(part) ? part.toString('latin1') : undefined))
    : []
  const at = Number(seconds) * 1000 + Number(micros) / 1000
  const isWhole = value !== undefined && Number.isFinite(at) && more.length === 0
  return isWhole ? { value, at } : { reason: 'malformed' }
}

/**
 * Errors of the library carry the arguments of their command, the password of AUTH too: only a name leaves.
 *
 * @param broken why there is no connection.
 */
function toStoreFailure(error: unknown, broken: StoreFailure): StoreFailure {
  const code = readErrorCode(error)
  const reason = classifyStoreError(code, Object(error).name === 'ReplyError')
  if (reason === 'refused') return { reason, code: SERVER_CODE.test(code) ? code : undefined }
  return reason === 'unreachable' ? broken : { reason }
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
  { host, port, database, tls }: StoreAddress,
  random: () => number,
): RedisOptions & { readonly replyMapping: 'legacy' } {
  return {
    host,
    port,
    db: database,
    ...(tls && { tls: {} }),
    lazyConnect: true,
    enableReadyCheck: false,
    protocol: 2,
    replyMapping: 'legacy',
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    disableClientInfo: true,
    commandTimeout: COMMAND_TIMEOUT,
    connectTimeout: CONNECT_TIMEOUT,
    // Leaves a server that accepts connections and never replies, until it replies.
    socketTimeout: 2 * COMMAND_TIMEOUT,
    disconnectTimeout: CONNECT_TIMEOUT,
    retryStrategy: (times) =>
      Math.min(MAX_RETRY, MIN_RETRY * 2 ** (times - 1)) + random() * RETRY_JITTER,
  }
}
