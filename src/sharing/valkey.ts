import { readFile } from 'node:fs/promises'
import { classifyStoreError, readErrorCode, type StoreFailureReason } from '../causes.ts'
import { HOUR, within, type Clock } from '../clock.ts'
import type { Config, StoreAddress } from '../config/index.ts'
import type { StoredValue } from '../token/index.ts'
import { fixReplies } from './ioredis-workarounds.ts'
import { MAX_VALUE, VERSION } from './sealer.ts'

// The store's one value for an account, and its only operation. The store knows no rule of tokens and logins.

export interface StoreFailure {
  readonly reason: StoreFailureReason
  /** The store's own code, such as `NOAUTH`, if it rejected the command. */
  readonly code?: string | undefined
}

export interface Store {
  /** Replaces the value if it is `expected`; `desired` is empty to read only. Bytes as latin1. Ends within 0.5 s, never rejects. */
  compareAndSwap(expected: string, desired: string): Promise<StoredValue | StoreFailure>
  /** Connects; calls `onConnection` after every connection and every loss. Earlier requests wait at most 1 s for the first. */
  start(onConnection: () => void): void
  stop(): void
}

/** Milliseconds from the last write until the store deletes a value; longer than any token or pause. */
const KEPT_FOR = 48 * HOUR

/** KEYS the value; ARGV expected, desired. A longer value counts as `too long`, which is unreadable and can be replaced. Managed services restrict scripts: the key is literally `KEYS[1]`, and no global is set. */
export const SCRIPT = `
local time = redis.call('TIME')
local value = redis.call('STRLEN', KEYS[1]) > ${MAX_VALUE} and 'too long' or redis.call('GET', KEYS[1]) or ''
if value == ARGV[1] and ARGV[2] ~= '' then
  value = ARGV[2]
  redis.call('SET', KEYS[1], value, 'PX', ${KEPT_FOR})
end
return {value, time[1], time[2]}`

export const STORE_OPERATIONS = ['swap', 'read'] as const

/** Describes a call of the store, for metrics. `failure` is undefined if it succeeded. */
export type StoreCall = Readonly<{
  operation: (typeof STORE_OPERATIONS)[number]
  durationMs: number
  failure: StoreFailureReason | undefined
}>

export type ValkeyOptions = Readonly<{
  config: Config
  clock: Clock
  random: () => number
  observeCall: (call: StoreCall) => void
}>

const CONNECT_TIMEOUT = 1000
export const COMMAND_TIMEOUT = 500
/** First word of Valkey's and Redis's errors. */
const SERVER_CODE = /^[A-Z]{2,20}$/
/** Codes of a connection that the server closed. */
const LOST = /^(?:ECONNRESET|EPIPE)$/

const UNREACHABLE: StoreFailure = { reason: 'unreachable' }
const TIMEOUT: StoreFailure = { reason: 'timeout' }
/** A reply of another form than the script's. */
const MALFORMED: StoreFailure = { reason: 'malformed' }

/** Opens the store in Valkey or Redis, over one connection, which the library reopens after a loss. */
export async function createValkeyStore(
  address: StoreAddress,
  entryName: string,
  { config, clock, random, observeCall }: ValkeyOptions,
): Promise<Store> {
  const key = `isales-auth-proxy:${VERSION}:{${entryName}}:account`
  const library = await loadLibrary()
  const redis = new library.Redis({
    host: address.host,
    port: address.port,
    ...(address.tls && { tls: {} }),
    lazyConnect: true,
    enableReadyCheck: false,
    protocol: 2,
    replyMapping: 'legacy',
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    disableClientInfo: true,
    connectTimeout: CONNECT_TIMEOUT,
    // Closes the connection to a server that does not reply.
    socketTimeout: 2 * COMMAND_TIMEOUT,
    disconnectTimeout: CONNECT_TIMEOUT,
    // From 100 ms to 2 s, and up to 200 ms of jitter.
    retryStrategy: (times) => Math.min(2000, 50 * 2 ** times) + random() * 200,
  })
  /** Resolves with the first connection, or after `CONNECT_TIMEOUT`. */
  let connected = Promise.resolve()
  /** Why the last connection or call failed, until a call succeeds. */
  let broken = UNREACHABLE
  let isStopped = false

  /** Reads password and CA again for the next connection. An unreadable file changes nothing. */
  const readFiles = async (): Promise<void> => {
    const password = (await textOf(config.sessionStorePasswordFile))?.replace(/[\r\n]{1,2}$/, '')
    const ca = await textOf(config.sessionStoreCaFile)
    // A server without passwords accepts one only for a named user.
    if (password) Object.assign(redis.options, { username: address.user ?? 'default', password })
    if (ca && address.tls) redis.options.tls = { ca }
  }

  return {
    async compareAndSwap(expected, desired) {
      await connected
      const startedAt = clock.now()
      const bytes = [expected, desired].map((text) => Buffer.from(text, 'latin1'))
      // The library would ignore a refused SELECT of its own, and write into database 0.
      const selected = address.database === 0 ? undefined : redis.select(address.database)
      const reply = Promise.resolve(selected)
        .then(() => redis.callBuffer('EVAL', SCRIPT, 1, key, ...bytes))
        .then(parseReply, (error: unknown) => toStoreFailure(error, broken))
      // The library's own limit would also end a slow AUTH, and with it the connection.
      const outcome = (await within(clock, COMMAND_TIMEOUT, reply)) ?? TIMEOUT
      const { reason, code } = 'reason' in outcome ? outcome : {}
      if (reason === undefined) broken = UNREACHABLE
      if (reason === 'timeout') broken = TIMEOUT
      // The next reply may belong to another command, or the primary has moved.
      if (outcome === MALFORMED || code === 'READONLY') redis.disconnect(true)
      const operation = desired === '' ? 'read' : 'swap'
      observeCall({ operation, durationMs: clock.now() - startedAt, failure: reason })
      return outcome
    },

    start(onConnection) {
      connected = new Promise((resolve) => {
        clock.setTimer(resolve, CONNECT_TIMEOUT)
        redis.once('ready', resolve)
      })
      redis.on('ready', onConnection)
      redis.on('close', () => {
        void readFiles()
        onConnection()
      })
      redis.on('error', (error) => {
        const code = readErrorCode(error)
        // A silent connection that was closed has no code, but its call has a reason. A server that refuses a connection (DENIED)
        // may reset it before its reply is read.
        const isLost = code === 'unknown' || (broken.reason === 'rejected' && LOST.test(code))
        if (!isLost) broken = toStoreFailure(error, UNREACHABLE)
      })
      void readFiles().then(async () => {
        // The `error` event reports failures, and the library retries.
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
  const bytes = path === undefined ? undefined : await readFile(path).catch(() => undefined)
  // Without a byte order mark, as every other file is read.
  return bytes && new TextDecoder().decode(bytes)
}

function parseReply(reply: unknown): StoredValue | StoreFailure {
  const [value, seconds, micros, ...more] = Array.isArray(reply)
    ? reply.map((part) => (Buffer.isBuffer(part) ? part.toString('latin1') : undefined))
    : []
  const at = Number(seconds) * 1000 + Number(micros) / 1000
  const isWhole = value !== undefined && Number.isFinite(at) && more.length === 0
  return isWhole ? { value, at } : MALFORMED
}

/** Keeps only a code: the library's errors contain the arguments of their command, such as AUTH's password. */
function toStoreFailure(error: unknown, broken: StoreFailure): StoreFailure {
  const code = readErrorCode(error)
  const reason = classifyStoreError(code, Object(error).name === 'ReplyError')
  if (reason === 'rejected') return { reason, code: SERVER_CODE.test(code) ? code : undefined }
  return reason === 'unreachable' ? broken : { reason }
}

/** Hides `DEBUG`: if ioredis finds `DEBUG=ioredis:*` when it is loaded, it prints the arguments of AUTH. */
async function loadLibrary() {
  const { DEBUG } = process.env
  delete process.env['DEBUG']
  try {
    // Bundled CommonJS modules have only this export.
    const { default: library } = await import('ioredis')
    const { default: handler } = await import('ioredis/built/DataHandler.js')
    fixReplies(handler)
    return library
  } finally {
    if (DEBUG !== undefined) process.env['DEBUG'] = DEBUG
  }
}
