import type { Redis, RedisOptions } from 'ioredis'
import type { Clock, Timer } from '../clock.ts'
import { readTls, type TlsFiles } from '../config/certificates.ts'
import type { StoreAddress } from '../config/formats-net.ts'
import type { Config } from '../config/settings.ts'
import type { StoreCall, StoreFailureReason } from '../token/sharing.ts'
import { SCRIPTS } from './scripts.ts'
import {
  CONFLICT,
  type ClaimReply,
  type Failed,
  type RecordReply,
  type SessionStore,
  type StoreFailure,
} from './store.ts'

export interface ValkeyOptions {
  readonly config: Config
  /** `SESSION_STORE_URL`. */
  readonly address: StoreAddress
  /** Names the account: keys and the channel begin with `<prefix>:{<place>}:`. */
  readonly place: string
  readonly clock: Clock
  readonly random: () => number
  readonly observe: (call: StoreCall) => void
}

const PORT = 6379
const SENTINEL_PORT = 26_379
const CONNECT_TIMEOUT = 1000
/** Between two looks whether the server is ready. */
const CHECK_PAUSE = 1000
const SHORTEST_RETRY = 100
const LONGEST_RETRY = 2000
const RETRY_JITTER = 200

/** The first word of an error reply is its code: part of the protocol, not text. */
const REASONS: Readonly<Record<string, StoreFailureReason>> = {
  WRONGPASS: 'auth',
  NOAUTH: 'auth',
  NOPERM: 'permission',
  READONLY: 'readonly',
  OOM: 'memory',
  WRONGTYPE: 'wrong-type',
  MOVED: 'cluster',
  ASK: 'cluster',
  CROSSSLOT: 'cluster',
  CLUSTERDOWN: 'cluster',
  LOADING: 'loading',
  MASTERDOWN: 'loading',
  BUSY: 'loading',
  NOREPLICAS: 'replicas',
}

/** Node and OpenSSL name what concerns certificates and the handshake by code. */
const TLS_CODES = /^(?:ERR_TLS|ERR_SSL|ERR_OSSL|EPROTO|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED)/

type Script = keyof typeof SCRIPTS
/** The library defines these methods by `scripts`; they reply with bytes. */
type Scripted = Record<
  `share-${Script}Buffer`,
  (...args: readonly (string | Buffer)[]) => Promise<unknown>
>

/** The store on Valkey or Redis. Two connections: one for operations, one that listens. */
export async function createValkeyStore(options: ValkeyOptions): Promise<SessionStore> {
  const { config, clock } = options
  const library = await loadLibrary()
  const settings = connectionOptions(options)
  const scripts = Object.fromEntries(
    Object.entries(SCRIPTS).map(([name, lua]) => [`share-${name}`, { lua, numberOfKeys: 4 }]),
  )
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `scripts` defines these methods
  const commands = new library.Redis({ ...settings, scripts }) as Redis & Scripted
  const listener = new library.Redis(settings)
  const key = (name: string): string => `${config.sessionStorePrefix}:{${options.place}}:${name}`
  const channel = key('changed')
  /** Why nothing is sent; undefined when the server does what it is asked to. */
  let closed: StoreFailureReason | undefined = 'unreachable'
  let recheck: Timer | undefined

  /** Errors of the library carry the arguments of their command, the password of AUTH too: only a name leaves. */
  const reasonOf = (error: unknown): StoreFailureReason => {
    if (error instanceof library.ReplyError) return REASONS[codeOfReply(error)] ?? 'refused'
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    return TLS_CODES.test(code) ? 'tls' : 'unreachable'
  }

  const call = async <Reply>(
    operation: StoreCall['operation'],
    send: () => Promise<unknown>,
    parse: (reply: readonly unknown[]) => Reply | undefined,
  ): Promise<Reply | StoreFailure> => {
    const startedAt = clock.now()
    let reply: Reply | undefined
    let failure = closed
    if (failure === undefined) {
      try {
        const sent = await send()
        reply = parse(Array.isArray(sent) ? sent.map(asText) : [])
        if (reply === undefined) failure = 'malformed'
      } catch (error) {
        const late = clock.now() - startedAt >= config.sessionStoreTimeout - 1
        failure = reasonOf(error)
        if (failure === 'unreachable' && late) failure = 'timeout'
      }
    }
    options.observe({ operation, durationMs: clock.now() - startedAt, failure })
    return reply ?? { type: 'failure', reason: failure ?? 'malformed' }
  }

  /** Bytes as latin1: what somebody else wrote into a key comes, and goes back, unchanged. */
  const run = <Reply>(
    script: Script,
    parse: (reply: readonly unknown[]) => Reply | undefined,
    args: readonly (string | number | boolean)[],
    fingerprint = '',
  ): Promise<Reply | StoreFailure> => {
    const keys = ['grant', 'lease', 'hold', `guard:${fingerprint}`].map(key)
    const bytes = args.map((arg) => Buffer.from(String(arg), 'latin1'))
    return call(script, () => commands[`share-${script}Buffer`](...keys, ...bytes), parse)
  }

  return {
    claim: ({ seen, lease, operation, fingerprint, refusals, forced }) =>
      run('claim', parseClaim, [seen, lease, operation, refusals, forced], fingerprint),

    async extend(lease) {
      await run('extend', done, [lease])
    },

    granted: ({ seen, lease, record, ms, fingerprint }) =>
      run('granted', parseGranted, [seen, lease, record, Math.ceil(ms)], fingerprint),

    async failed({ lease, fingerprint, failure }) {
      await run('failed', done, [lease, ...failureArguments(failure)], fingerprint)
    },

    async holdOff(ms) {
      await run('hold-off', done, [CONFLICT, Math.ceil(ms)])
    },

    read: () => run('read', parseRecord, []),

    async publish() {
      await call('publish', () => commands.publish(channel, ''), done)
    },

    async replicas() {
      // A listening connection that broke silently is found by a ping without reply.
      if (listener.status === 'ready') listener.ping().catch(ignore)
      const count = await call(
        'replicas',
        () => commands.pubsub('NUMSUB', channel),
        ([, listeners]) => (isCount(listeners) ? listeners : undefined),
      )
      return typeof count === 'number' ? count : undefined
    },

    start: (look) =>
      new Promise((resolve) => {
        const wait = clock.setTimer(resolve, CONNECT_TIMEOUT)
        /**
         * A server that loads its data or wants a password takes connections. A longer command without a password
         * would be a protocol error, which does not say why.
         */
        const check = async (): Promise<void> => {
          recheck?.cancel()
          try {
            await commands.ping()
          } catch (error) {
            if (commands.status !== 'ready') return
            closed = reasonOf(error)
            recheck = clock.setTimer(() => void check(), CHECK_PAUSE)
            return
          }
          closed = undefined
          wait.cancel()
          resolve()
          look()
        }
        commands.on('error', (error) => {
          closed = reasonOf(error)
        })
        commands.on('close', () => {
          closed ??= 'unreachable'
        })
        commands.on('ready', () => void check())
        listener.on('error', ignore)
        listener.on('ready', () => {
          listener.subscribe(channel).then(() => {
            if (closed === undefined) look()
          }, ignore)
        })
        listener.on('message', look)
        // A connection that fails is tried again; the events say how it goes.
        commands.connect().catch(ignore)
        listener.connect().catch(ignore)
      }),

    stop() {
      recheck?.cancel()
      commands.disconnect()
      listener.disconnect()
    },
  }
}

/** With `DEBUG=ioredis:*` in its environment the library prints the arguments of AUTH when it is loaded. */
async function loadLibrary() {
  const { DEBUG } = process.env
  delete process.env['DEBUG']
  try {
    // A bundled CommonJS module has no other export.
    const { default: library } = await import('ioredis')
    return library
  } finally {
    if (DEBUG !== undefined) process.env['DEBUG'] = DEBUG
  }
}

function connectionOptions({
  config,
  address,
  random,
}: ValkeyOptions): RedisOptions & { readonly replyMapping: 'legacy' } {
  const { sessionStoreSentinel: name, sessionStoreTimeout } = config
  const port = name === undefined ? PORT : SENTINEL_PORT
  const servers = address.servers.map((server) => ({ ...server, port: server.port ?? port }))
  const username = config.sessionStoreUser ?? address.user
  const password = (config.sessionStorePassword ?? address.password)?.reveal()
  const sentinelPassword = config.sessionStoreSentinelPassword?.reveal()
  const tls = address.tls ? tlsOptions(config) : undefined
  const retryStrategy = (attempt: number): number =>
    Math.min(LONGEST_RETRY, SHORTEST_RETRY * 2 ** (attempt - 1)) + random() * RETRY_JITTER
  return {
    lazyConnect: true,
    protocol: 2,
    replyMapping: 'legacy',
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    disableClientInfo: true,
    db: address.database,
    commandTimeout: sessionStoreTimeout,
    connectTimeout: CONNECT_TIMEOUT,
    // A server that takes connections and never replies is left for another one.
    socketTimeout: Math.max(CONNECT_TIMEOUT, 2 * sessionStoreTimeout),
    disconnectTimeout: CONNECT_TIMEOUT,
    retryStrategy,
    reconnectOnError: (error) => codeOfReply(error) === 'READONLY',
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(tls && { tls }),
    ...(name === undefined
      ? { ...servers[0], enableReadyCheck: false }
      : {
          sentinels: servers,
          name,
          // Its connections have no listener for errors, so that the library prints them. A primary that is gone is
          // noticed by its connection, one that is frozen by `socketTimeout`, and the role is checked.
          failoverDetector: false,
          enableReadyCheck: true,
          sentinelRetryStrategy: retryStrategy,
          sentinelCommandTimeout: CONNECT_TIMEOUT,
          ...(sentinelPassword !== undefined && { sentinelPassword }),
          ...(tls && { enableTLSForSentinelMode: true, sentinelTLS: tls }),
        }),
  }
}

/** The library copies these properties each time that it connects, so that a renewed certificate is used. */
function tlsOptions(config: Config): NonNullable<RedisOptions['tls']> {
  let last: TlsFiles = {}
  /** The files as they are now, or, while one of them is wrong, as they were. */
  const files = (): TlsFiles => {
    const read = readTls('store', config)
    // The connection shows what is wrong.
    if (read.ok) last = read.value
    return last
  }
  return {
    get ca() {
      return files().ca
    },
    get cert() {
      return files().cert
    },
    get key() {
      return files().key?.reveal()
    },
  }
}

function failureArguments(failure: Failed['failure']): readonly (string | number)[] {
  switch (failure.kind) {
    case 'none':
      return ['']
    case 'hold':
      return ['hold', failure.text, Math.ceil(failure.ms)]
    case 'refused':
      return ['refused', failure.known, ...failure.pauses.map(Math.ceil)]
  }
}

function asText(value: unknown): unknown {
  return Buffer.isBuffer(value) ? value.toString('latin1') : value
}

function parseClaim(reply: readonly unknown[]): ClaimReply | undefined {
  const [type, first, second] = reply
  if (type === 'busy') return { type }
  if (type === 'held' && isCount(first) && isText(second)) return { type, ms: first, hold: second }
  if (type === 'guarded' && isCount(first) && isCount(second)) {
    return { type, ms: first, refusals: second }
  }
  if (type === 'mine' && isText(first) && isCount(second)) {
    return { type, hold: first, refusals: second }
  }
  return parseRecord(reply)
}

function parseGranted(reply: readonly unknown[]): RecordReply | { type: 'kept' } | undefined {
  return reply[0] === 'kept' ? { type: 'kept' } : parseRecord(reply)
}

function parseRecord([type, record, pttl]: readonly unknown[]): RecordReply | undefined {
  return type === 'grant' && isText(record) && isCount(pttl) ? { type, record, pttl } : undefined
}

/** The reply says no more. */
function done(): true {
  return true
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

function codeOfReply(error: unknown): string {
  return error instanceof Error ? (error.message.split(' ', 1)[0] ?? '') : ''
}

function ignore(): void {}
