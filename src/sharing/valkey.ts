import type { Redis, RedisOptions } from 'ioredis'
import * as z from 'zod'
import { codeOf, storeFailureOf, type StoreFailureReason } from '../causes.ts'
import type { Clock, Timer } from '../clock.ts'
import { readTls, type TlsFiles } from '../config/certificates.ts'
import type { StoreAddress } from '../config/formats-net.ts'
import type { Config } from '../config/settings.ts'
import type { StoreCall } from './events.ts'
import { mendReplies } from './ioredis-workarounds.ts'
import { SCRIPTS, type Book, type Reply, type SessionStore, type StoreFailure } from './store.ts'

export interface ValkeyOptions {
  readonly config: Config
  /** `SESSION_STORE_URL`. */
  readonly address: StoreAddress
  /** Names the account: keys and the channel begin with `isales-auth-proxy:{<place>}:`. */
  readonly place: string
  readonly clock: Clock
  readonly random: () => number
  readonly observe: (call: StoreCall) => void
}

const PREFIX = 'isales-auth-proxy'
const CONNECT_TIMEOUT = 1000
const COMMAND_TIMEOUT = 500
const DEFAULT_USER = 'default'
/** Between two looks whether the server is ready. */
const CHECK_PAUSE = 1000
const MIN_RETRY = 100
const MAX_RETRY = 1000
const RETRY_JITTER = 200

const REPLY: z.ZodType<Reply> = z
  .tuple([
    z.enum(['grant', 'busy', 'held', 'guarded', 'mine', 'kept']),
    z.string(),
    // Somebody else may have given the key a life that is no safe integer.
    z.number(),
    z.int(),
    z.int(),
  ])
  .transform(([type, record, ms, attempts, refusals]) => ({ type, record, ms, attempts, refusals }))
/** Of an operation whose reply says no more. */
const ANYTHING = z.unknown()
/** Of PUBSUB NUMSUB: the channel and its listeners. */
const LISTENERS = z.tuple([z.unknown(), z.int()])

type Script = keyof typeof SCRIPTS
/** The library defines these methods by `scripts`; they reply with bytes. */
type Scripted = Record<
  `share-${Script}Buffer`,
  (...args: readonly (string | Buffer)[]) => Promise<unknown>
>

/** The store on Valkey or Redis. Two connections: one for operations, one that listens. */
export async function createValkeyStore(options: ValkeyOptions): Promise<SessionStore> {
  const { clock } = options
  const library = await loadLibrary()
  const settings = connectionOptions(options)
  const scripts = Object.fromEntries(
    Object.entries(SCRIPTS).map(([name, lua]) => [`share-${name}`, { lua, numberOfKeys: 3 }]),
  )
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `scripts` defines these methods
  const commands = new library.Redis({ ...settings, scripts }) as Redis & Scripted
  const listener = new library.Redis(settings)
  const key = (name: string): string => `${PREFIX}:{${options.place}}:${name}`
  const channel = key('changed')
  /** Why nothing is sent; undefined when the server does what it is asked to. */
  let closed: StoreFailureReason | undefined = 'unreachable'
  let recheck: Timer | undefined

  const call = async <Parsed>(
    operation: StoreCall['operation'],
    send: () => Promise<unknown>,
    shape: z.ZodType<Parsed>,
  ): Promise<Parsed | StoreFailure> => {
    const startedAt = clock.now()
    let reply: Parsed | undefined
    let failure = closed
    if (failure === undefined) {
      try {
        const sent = await send()
        const parsed = shape.safeParse(Array.isArray(sent) ? sent.map(asText) : sent)
        reply = parsed.data
        if (!parsed.success) {
          failure = 'malformed'
          // It may be the reply of another command.
          commands.disconnect(true)
        }
      } catch (error) {
        const late = clock.now() - startedAt >= COMMAND_TIMEOUT - 1
        failure = reasonOf(error)
        if (failure === 'unreachable' && late) failure = 'timeout'
      }
    }
    options.observe({ operation, durationMs: clock.now() - startedAt, failure })
    return reply ?? { type: 'failure', reason: failure ?? 'malformed' }
  }

  /** Bytes as latin1: what somebody else wrote into a key comes, and goes back, unchanged. */
  const run = <Parsed>(
    script: Script,
    shape: z.ZodType<Parsed>,
    args: readonly (string | number | boolean)[],
    fingerprint = '',
  ): Promise<Parsed | StoreFailure> => {
    const keys = ['grant', 'lease', `book:${fingerprint}`].map(key)
    const bytes = args.map((arg) => Buffer.from(String(arg), 'latin1'))
    return call(script, () => commands[`share-${script}Buffer`](...keys, ...bytes), shape)
  }

  return {
    claim: ({ seen, lease, operation, fingerprint, forced, book, begun }) =>
      run(
        'claim',
        REPLY,
        [seen, lease, operation, forced, ...countsOf(book), ...begun],
        fingerprint,
      ),
    granted: ({ seen, lease, record, ms, fingerprint, operation }) =>
      run('granted', REPLY, [seen, lease, record, ms, operation], fingerprint),
    read: () => run('read', REPLY, []),
    async extend(lease) {
      await run('extend', ANYTHING, [lease])
    },
    async failed({ lease, fingerprint, pause, book }) {
      await run('failed', ANYTHING, [lease, pause, ...(book ? countsOf(book) : [])], fingerprint)
    },
    async publish() {
      await call('publish', () => commands.publish(channel, ''), ANYTHING)
    },

    async replicas() {
      // A listening connection that broke silently is found by a ping without reply.
      if (listener.status === 'ready') listener.ping().catch(ignore)
      const count = await call('replicas', () => commands.pubsub('NUMSUB', channel), LISTENERS)
      return 'type' in count ? undefined : count[1]
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
            const reason = reasonOf(error)
            if (reason !== 'unreachable') closed = reason
            if (commands.status === 'ready') {
              recheck = clock.setTimer(() => void check(), CHECK_PAUSE)
            }
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
    mendReplies(handler)
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
  const password = (config.sessionStorePassword ?? address.password)?.reveal()
  // Without a name, a server that wants no password would refuse one.
  const username = address.user ?? DEFAULT_USER
  const tls = address.tls ? tlsOptions(config) : undefined
  const retryStrategy = (attempt: number): number =>
    Math.min(MAX_RETRY, MIN_RETRY * 2 ** (attempt - 1)) + random() * RETRY_JITTER
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
    reconnectOnError: (error) => reasonOf(error) === 'readonly',
    ...(password !== undefined && { username, password }),
    ...(tls && { tls }),
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

function countsOf({ attempts, refusals, ms }: Book): readonly number[] {
  return [attempts, refusals, ms]
}

function asText(value: unknown): unknown {
  return Buffer.isBuffer(value) ? value.toString('latin1') : value
}

function ignore(): void {}
