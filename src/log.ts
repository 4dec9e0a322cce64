import { pino, type DestinationStream } from 'pino'
import { Secret } from './config/secret.ts'
import { LOG_EVENTS, type LogEventName, type LogLevel } from './log-events.ts'

/** All that a line may hold besides time, level, event and its sentence. Whatever is not listed is dropped. */
export interface LogFields {
  readonly version?: string
  readonly listener?: string
  readonly address?: string
  readonly setting?: string
  readonly signal?: string
  readonly inFlight?: number
  readonly operation?: string
  readonly generation?: number
  readonly lifetimeSeconds?: number
  readonly durationMs?: number
  readonly sameToken?: boolean
  readonly reason?: string
  readonly status?: number
  readonly detail?: string
  readonly failures?: number
  readonly backoff?: string
  readonly retryInSeconds?: number
  readonly budgetSeconds?: number
  readonly holdOffSeconds?: number
  readonly requestId?: string
  readonly method?: string
  /** Without the query. */
  readonly path?: string
  readonly bytes?: number
  readonly code?: string | undefined
  /** Reduced to its name, its code and where it was thrown; its message may quote what it should not. */
  readonly error?: unknown
}

const ALLOWED: Readonly<Record<keyof LogFields, true>> = {
  version: true,
  listener: true,
  address: true,
  setting: true,
  signal: true,
  inFlight: true,
  operation: true,
  generation: true,
  lifetimeSeconds: true,
  durationMs: true,
  sameToken: true,
  reason: true,
  status: true,
  detail: true,
  failures: true,
  backoff: true,
  retryInSeconds: true,
  budgetSeconds: true,
  holdOffSeconds: true,
  requestId: true,
  method: true,
  path: true,
  bytes: true,
  code: true,
  error: true,
}

const LONGEST_TEXT = 512
/** Controls, bidirectional overrides, line separators: a terminal must not obey what a client wrote. */
const CONTROL = /[\p{C}\p{Zl}\p{Zp}]/gu
const CODE = /^[A-Za-z0-9_-]{1,64}$/

/** A log that stops being read keeps at most so much in memory; what comes after is dropped. */
const LONGEST_BACKLOG = 1024 * 1024

export interface LoggerOptions {
  readonly level: LogLevel
  /** `json`: one object a line. `pretty`: for a person at a terminal. */
  readonly format: 'json' | 'pretty'
  /** Default: stdout. */
  readonly destination?: DestinationStream
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

export interface Logger {
  /** Writes one line, at the event's own level unless another is given. Never throws, never waits. */
  readonly log: (event: LogEventName, fields?: LogFields, level?: LogLevel) => void
  /** Writes out what is still in memory; for the end of the process. */
  readonly flush: () => void
}

export async function createLogger(options: LoggerOptions): Promise<Logger> {
  const { level, format, now = Date.now } = options
  const stdout =
    options.destination ??
    (format === 'json'
      ? // Neither a slow nor a stuck reader of the log holds requests up.
        pino.destination({ fd: 1, sync: false, maxLength: LONGEST_BACKLOG })
      : process.stdout)
  const destination = format === 'json' ? stdout : await prettify(stdout)
  const logger = pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date(now()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  )

  return {
    log(event, fields = {}, level = LOG_EVENTS[event].level) {
      if (!logger.isLevelEnabled(level)) return
      logger[level]({ event, ...permitted(fields) }, LOG_EVENTS[event].text)
    },
    flush() {
      if ('flushSync' in stdout && typeof stdout.flushSync === 'function') stdout.flushSync()
    },
  }
}

/** Line by line in this process: pino's own way is a worker thread, which costs 10 MiB and loses the last lines. */
async function prettify(destination: DestinationStream): Promise<DestinationStream> {
  const { prettyFactory } = await import('pino-pretty')
  const pretty = prettyFactory({
    colorize: destination === process.stdout && process.stdout.hasColors(),
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
    ignore: 'event',
  })
  return {
    write(line) {
      destination.write(pretty(line))
    },
  }
}

function permitted(fields: LogFields): Readonly<Record<string, unknown>> {
  const line: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (!Object.hasOwn(ALLOWED, name)) continue
    const shown = name === 'error' ? reduceError(value) : plain(value)
    if (shown !== undefined) line[name] = shown
  }
  return line
}

function plain(value: unknown): string | number | boolean | undefined {
  if (typeof value === 'string') return printable(value)
  if (typeof value === 'number' || typeof value === 'boolean') return value
  return value instanceof Secret ? String(value) : undefined
}

function printable(text: string): string {
  return text.slice(0, LONGEST_TEXT).replaceAll(CONTROL, '\uFFFD')
}

function reduceError(error: unknown): Readonly<Record<string, string>> | undefined {
  if (!(error instanceof Error)) return error === undefined ? undefined : { name: typeof error }
  const code = codeOf(error) ?? codeOf(error.cause)
  const at = thrownAt(error)
  return {
    name: printable(error.name).slice(0, 64),
    ...(code === undefined ? {} : { code }),
    ...(at === undefined ? {} : { at }),
  }
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' && CODE.test(error.code) ? error.code : undefined
}

/** The first frame of the stack. The message stands before the frames, and may look like one itself. */
function thrownAt(error: Error): string | undefined {
  const head = `${error.name}: ${error.message}\n`
  if (error.stack?.startsWith(head) !== true) return undefined
  const frame = error.stack.slice(head.length).split('\n', 1)[0] ?? ''
  return printable(frame.trim().replace(/^at /, ''))
}

export interface Access {
  readonly method: string
  /** The request target; the query is cut off here. */
  readonly target: string
  readonly status: number
  readonly durationMs: number
  /** Of the body that was sent to the client. */
  readonly bytes?: number
  readonly requestId: string
  /** The problem code, when the proxy itself answered with an error. */
  readonly code?: string | undefined
}

/**
 * @param share 0: no access log, and `undefined` is returned so that the request path can leave it out; 1: every request;
 *   between: that share of them, taken at random.
 */
export function createAccessLog(
  logger: Pick<Logger, 'log'>,
  share: number,
  random: () => number = Math.random,
): ((access: Access) => void) | undefined {
  if (share <= 0) return undefined
  return ({ target, durationMs, ...rest }) => {
    if (share < 1 && random() >= share) return
    logger.log('access', {
      ...rest,
      path: target.split(/[?#]/, 1)[0] ?? '',
      durationMs: Math.round(durationMs * 10) / 10,
    })
  }
}
