import { readFile } from 'node:fs/promises'
import type { RedisOptions } from 'ioredis'
import { codeOf, storeFailureOf } from '../causes.ts'
import type { Clock } from '../clock.ts'
import type { Config, StoreAddress } from '../config/index.ts'
import { SWAP, type Cell, type Seen, type StoreCall, type StoreFailure } from './cell.ts'
import { fixReplies } from './ioredis-workarounds.ts'
import { VERSION } from './seal.ts'

export interface ValkeyOptions {
  readonly config: Config
  /** `SESSION_STORE_URL`. */
  readonly address: StoreAddress
  /** Names the account: the key is `isales-auth-proxy:v4:{<place>}:account`. */
  readonly place: string
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

/** The cell on Valkey or Redis: one connection, opened again by the library whenever it is lost. */
export async function createValkeyCell(options: ValkeyOptions): Promise<Cell> {
  const { clock, random, config, address } = options
  const key = `isales-auth-proxy:${VERSION}:{${options.place}}:account`
  const library = await loadLibrary()
  const redis = new library.Redis(connectionOptions(address, random))
  /** Resolves with the first connection, or when nobody waits for it any more. */
  let connected = Promise.resolve()
  /** Why the last connection is of no use. */
  let broken = UNREACHABLE
  let isStopped = false

  /** For the next connection: password and authority may have changed. What cannot be read stays as it was. */
  const readFiles = async (): Promise<void> => {
    const password = (await textOf(config.sessionStorePasswordFile))?.replace(/[\r\n]{1,2}$/, '')
    const ca = await textOf(config.sessionStoreCaFile)
    // Without a name, a server that wants no password would refuse one.
    if (password) Object.assign(redis.options, { username: address.user ?? 'default', password })
    if (ca && address.tls) redis.options.tls = { ca }
  }

  return {
    async swap(seen, next) {
      await connected
      const startedAt = clock.now()
      let outcome: Seen | StoreFailure
      try {
        const bytes = [seen, next].map((text) => Buffer.from(text, 'latin1'))
        outcome = parseReply(await redis.callBuffer('EVAL', SWAP, 1, key, ...bytes))
      } catch (error) {
        if (clock.now() - startedAt >= COMMAND_TIMEOUT - 1) broken = { reason: 'timeout' }
        outcome = failureOf(error, broken)
      }
      const { reason, code } = 'reason' in outcome ? outcome : {}
      // The next reply may be of another command, or the primary is elsewhere now.
      if (reason === 'malformed' || code === 'READONLY') redis.disconnect(true)
      const operation = next === '' ? 'read' : 'swap'
      options.observe({ operation, durationMs: clock.now() - startedAt, failure: reason })
      return outcome
    },

    start(look) {
      connected = new Promise((resolve) => {
        clock.setTimer(resolve, CONNECT_TIMEOUT)
        redis.once('ready', resolve)
      })
      redis.on('ready', () => {
        broken = UNREACHABLE
        look()
      })
      redis.on('close', () => {
        void readFiles()
        look()
      })
      redis.on('error', (error) => {
        // A connection that is left since nothing came has no code; its command says so.
        if (codeOf(error) !== 'unknown') broken = failureOf(error, UNREACHABLE)
      })
      void readFiles().then(async () => {
        // It says why by an event, too, and is tried again.
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

function parseReply(reply: unknown): Seen | StoreFailure {
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
function failureOf(error: unknown, broken: StoreFailure): StoreFailure {
  const code = codeOf(error)
  const reason = storeFailureOf(code, Object(error).name === 'ReplyError')
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
    // A server that takes connections and never replies is left, and found again when it replies.
    socketTimeout: 2 * COMMAND_TIMEOUT,
    disconnectTimeout: CONNECT_TIMEOUT,
    retryStrategy: (times) =>
      Math.min(MAX_RETRY, MIN_RETRY * 2 ** (times - 1)) + random() * RETRY_JITTER,
  }
}
