import type { Redis, RedisOptions } from 'ioredis'
import type { Clock, Timer } from '../clock.ts'
import type { TlsFiles } from '../config/certificates.ts'
import type { Secret } from '../config/secret.ts'
import { SCRIPTS } from './scripts.ts'
import type { StoreCall, StoreFailureReason } from '../token/sharing.ts'
import {
  guardKey,
  type ClaimReply,
  type FailedReply,
  type GrantedReply,
  type ReadReply,
  type SessionStore,
  type StoreFailure,
} from './store.ts'

export interface ValkeyOptions {
  /** Several only with Sentinel. */
  readonly servers: readonly { readonly host: string; readonly port: number }[]
  readonly database: number
  readonly user: string | undefined
  readonly password: Secret | undefined
  /** The servers are Sentinels and know the primary by this name. */
  readonly sentinel: { readonly name: string; readonly password: Secret | undefined } | undefined
  /** Undefined: no TLS. Read at each connection, so that a renewed certificate is used. */
  readonly tls: (() => TlsFiles) | undefined
  /** Milliseconds that an operation may take. */
  readonly timeout: number
  /** Before each key and the channel: `<prefix>:{<place>}:`. */
  readonly prefix: string
  readonly clock: Clock
  readonly random: () => number
  readonly observe: (call: StoreCall) => void
}

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

type Scripted = Redis &
  Readonly<
    Record<
      `${keyof typeof SCRIPTS}Buffer`,
      (...args: readonly (string | Buffer)[]) => Promise<unknown>
    >
  >

/** The store on Valkey or Redis. Two connections: one for operations, one that listens. */
export async function createValkeyStore(options: ValkeyOptions): Promise<SessionStore> {
  const { clock, prefix } = options
  const library = await loadLibrary()
  const settings = connectionOptions(options)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `scripts` defines these methods
  const commands = new library.Redis({ ...settings, scripts: SCRIPTS }) as Scripted
  const listener = new library.Redis(settings)
  const key = (name: string): string => `${prefix}${name}`
  const channel = key('changed')
  /** Why nothing is sent; undefined when the server does what it is asked to. */
  let closed: StoreFailureReason | undefined = 'unreachable'
  let recheck: Timer | undefined
  const whenOpen = new Set<() => void>()

  /** Errors of the library carry the arguments of their command, the password of AUTH too: only a name leaves. */
  const reasonOf = (error: unknown): StoreFailureReason => {
    if (error instanceof library.ReplyError) return REASONS[codeOfReply(error)] ?? 'refused'
    return isTls(error) ? 'tls' : 'unreachable'
  }

  const call = async <Reply>(
    operation: StoreCall['operation'],
    send: () => Promise<unknown>,
    parse: (reply: unknown) => Reply | undefined,
  ): Promise<Reply | StoreFailure> => {
    const startedAt = clock.now()
    const end = <Result>(result: Result, failure?: StoreFailureReason): Result => {
      options.observe({ operation, durationMs: clock.now() - startedAt, failure })
      return result
    }
    const fail = (reason: StoreFailureReason): StoreFailure =>
      end({ type: 'failure', reason }, reason)
    if (closed !== undefined) return fail(closed)
    try {
      const reply = parse(await send())
      return reply === undefined ? fail('malformed') : end(reply)
    } catch (error) {
      const reason = reasonOf(error)
      const late = clock.now() - startedAt >= options.timeout - 1
      return fail(reason === 'unreachable' && late ? 'timeout' : reason)
    }
  }

  /**
   * A server that loads its data or wants a password takes connections. A longer command without a password would
   * be a protocol error, which does not say why.
   */
  const check = async (look: () => void): Promise<void> => {
    recheck?.cancel()
    try {
      await commands.ping()
    } catch (error) {
      if (commands.status !== 'ready') return
      closed = reasonOf(error)
      recheck = clock.setTimer(() => void check(look), CHECK_PAUSE)
      return
    }
    closed = undefined
    for (const open of whenOpen) open()
    look()
  }

  /** Bytes as latin1: what somebody else wrote into a key comes, and goes back, unchanged. */
  const run = async (
    script: keyof typeof SCRIPTS,
    keys: readonly string[],
    ...args: readonly (string | number)[]
  ): Promise<unknown> => {
    const bytes = args.map((arg) => Buffer.from(String(arg), 'latin1'))
    return asText(await commands[`${script}Buffer`](...keys.map(key), ...bytes))
  }

  return {
    claim: ({ seen, lease, leaseMs, operation, fingerprint, holdGrace, guardGrace, refusals }) => {
      const keys = ['grant', 'lease', 'hold', guardKey(fingerprint)]
      const rest = [operation, holdGrace, guardGrace, refusals]
      return call('claim', () => run('shareClaim', keys, seen, lease, leaseMs, ...rest), parseClaim)
    },

    extend: ({ lease, leaseMs }) =>
      call('extend', () => run('shareExtend', ['lease'], lease, leaseMs), parseFlag),

    granted: ({ seen, lease, record, ms, fingerprint }) => {
      const keys = ['grant', 'lease', 'hold', guardKey(fingerprint)]
      const life = Math.ceil(ms)
      return call(
        'granted',
        () => run('shareGranted', keys, seen, lease, record, life),
        parseGranted,
      )
    },

    failed: ({ lease, fingerprint, failure }) => {
      const keys = ['lease', 'hold', guardKey(fingerprint)]
      const rest = failureArguments(failure)
      return call('failed', () => run('shareFailed', keys, lease, ...rest), parseFailed)
    },

    holdOff: ({ text, ms, grace }) =>
      call('hold-off', () => run('shareHoldOff', ['hold'], text, Math.ceil(ms), grace), parseFlag),

    read: () => call('read', () => run('shareRead', ['grant']), parseRead),

    async publish() {
      await call('publish', () => commands.publish(channel, ''), parseCount)
    },

    replicas() {
      // A listening connection that broke silently is found by a ping without reply.
      if (listener.status === 'ready') listener.ping().catch(ignore)
      return call(
        'replicas',
        () => commands.pubsub('NUMSUB', channel),
        (reply) => parseCount(Array.isArray(reply) ? reply[1] : undefined),
      )
    },

    start(look) {
      commands.on('error', (error) => {
        closed = reasonOf(error)
      })
      commands.on('close', () => {
        closed ??= 'unreachable'
      })
      commands.on('ready', () => void check(look))
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
    },

    connected: (ms) =>
      new Promise((resolve) => {
        if (closed === undefined) return resolve()
        const done = (): void => {
          whenOpen.delete(done)
          timer.cancel()
          resolve()
        }
        const timer = clock.setTimer(done, ms)
        whenOpen.add(done)
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

function connectionOptions(
  options: ValkeyOptions,
): RedisOptions & { readonly replyMapping: 'legacy' } {
  const { servers, sentinel, user, password, timeout } = options
  const tls = options.tls === undefined ? {} : { tls: tlsOptions(options.tls) }
  const retryStrategy = (attempt: number): number =>
    Math.min(LONGEST_RETRY, SHORTEST_RETRY * 2 ** (attempt - 1)) + options.random() * RETRY_JITTER
  return {
    lazyConnect: true,
    protocol: 2,
    replyMapping: 'legacy',
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    disableClientInfo: true,
    db: options.database,
    commandTimeout: timeout,
    connectTimeout: CONNECT_TIMEOUT,
    // A server that takes connections and never replies is left for another one.
    socketTimeout: Math.max(CONNECT_TIMEOUT, 2 * timeout),
    disconnectTimeout: CONNECT_TIMEOUT,
    retryStrategy,
    reconnectOnError: (error) => codeOfReply(error) === 'READONLY',
    ...(user === undefined ? {} : { username: user }),
    ...(password === undefined ? {} : { password: password.reveal() }),
    ...tls,
    ...(sentinel === undefined
      ? { ...servers[0], enableReadyCheck: false }
      : {
          sentinels: [...servers],
          name: sentinel.name,
          // Its connections have no listener for errors, so that the library prints them. A primary that is gone is
          // noticed by its connection, one that is frozen by `socketTimeout`, and the role is checked.
          failoverDetector: false,
          enableReadyCheck: true,
          sentinelRetryStrategy: retryStrategy,
          sentinelCommandTimeout: CONNECT_TIMEOUT,
          ...(sentinel.password === undefined
            ? {}
            : { sentinelPassword: sentinel.password.reveal() }),
          ...(tls.tls === undefined
            ? {}
            : { enableTLSForSentinelMode: true, sentinelTLS: tls.tls }),
        }),
  }
}

/** The library copies these properties each time that it connects. */
function tlsOptions(read: () => TlsFiles): NonNullable<RedisOptions['tls']> {
  const property = <T>(get: () => T) => ({ enumerable: true, get })
  return Object.defineProperties(
    {},
    {
      ca: property(() => read().ca),
      cert: property(() => read().cert),
      key: property(() => read().key?.reveal()),
    },
  )
}

function failureArguments(
  failure: Parameters<SessionStore['failed']>[0]['failure'],
): readonly (string | number)[] {
  switch (failure.kind) {
    case 'none':
      return ['']
    case 'hold':
      return ['hold', failure.text, Math.ceil(failure.ms), failure.grace]
    case 'refused':
      return ['refused', failure.known, 0, failure.grace, ...failure.pauses.map(Math.ceil)]
  }
}

function asText(reply: unknown): unknown {
  if (Array.isArray(reply)) return reply.map(asText)
  return Buffer.isBuffer(reply) ? reply.toString('latin1') : reply
}

function parseClaim(reply: unknown): ClaimReply | undefined {
  if (!Array.isArray(reply)) return undefined
  const [type, first, second]: unknown[] = reply
  if (type === 'grant' && isText(first) && isCount(second)) {
    return { type, record: first, pttl: second }
  }
  if (type === 'busy' && isCount(first)) return { type, ms: first }
  if (type === 'held' && isCount(first) && isText(second)) return { type, ms: first, hold: second }
  if (type === 'guarded' && isCount(first) && isCount(second)) {
    return { type, ms: first, refusals: second }
  }
  if (type === 'mine' && isText(first) && isCount(second)) {
    return { type, hold: first, refusals: second }
  }
  return undefined
}

function parseGranted(reply: unknown): GrantedReply | undefined {
  if (!Array.isArray(reply)) return undefined
  const [type, record, pttl]: unknown[] = reply
  if (type === 'kept') return { type }
  return type === 'late' && isText(record) && isCount(pttl) ? { type, record, pttl } : undefined
}

function parseFailed(reply: unknown): FailedReply | undefined {
  if (!Array.isArray(reply)) return undefined
  const [mine, refusals]: unknown[] = reply
  return isCount(refusals) ? { mine: mine === 1, refusals } : undefined
}

function parseRead(reply: unknown): ReadReply | undefined {
  if (!Array.isArray(reply)) return undefined
  const [record, pttl]: unknown[] = reply
  return isText(record) && isCount(pttl) ? { record, pttl } : undefined
}

function parseFlag(reply: unknown): boolean | undefined {
  return reply === 0 || reply === 1 ? reply === 1 : undefined
}

function parseCount(reply: unknown): number | undefined {
  return isCount(reply) ? reply : undefined
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

/** Node and OpenSSL name what concerns certificates and the handshake by code. */
function isTls(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string')
    return false
  return /^(?:ERR_TLS|ERR_SSL|ERR_OSSL|EPROTO|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED)/.test(
    error.code,
  )
}

function ignore(): void {}
