import { pino, type DestinationStream } from 'pino'
import { Secret } from '../config/secret.ts'
import { LOG_EVENTS, type LogEventName, type LogLevel } from './events.ts'
import { LOG_FIELDS, isLogField, type LogFieldName, type LogFields } from './fields.ts'

export type { LogFields } from './fields.ts'

const LONGEST_TEXT = 512
/** Controls, bidirectional overrides, line separators: a terminal must not obey what a client wrote. */
const CONTROL = /[\p{C}\p{Zl}\p{Zp}]/gu
const PLAIN = /^[ -~]*$/
const CODE = /^[A-Za-z0-9_-]{1,64}$/

/** A log that stops being read keeps at most so much in memory; what comes after is dropped. */
const LONGEST_BACKLOG = 1024 * 1024

/** Access lines are written so many characters at a time, or after so many milliseconds: a write costs more than the line. */
const BATCH = 12 * 1024
const LONGEST_WAIT = 100

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
  // Unlike process.stdout it survives a closed pipe. Neither a slow nor a stuck reader of the JSON holds requests up.
  const stdout =
    options.destination ??
    pino.destination({ fd: 1, sync: format === 'pretty', maxLength: LONGEST_BACKLOG })
  const own = options.destination === undefined
  const batch = own && format === 'json' ? openBatch(stdout) : undefined
  const terminal = own && process.stdout.isTTY
  const destination = format === 'json' ? (batch ?? stdout) : await prettify(stdout, terminal)
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
      logger[level](lineOf(event, fields), LOG_EVENTS[event].text)
      if (event !== 'access') batch?.release()
    },
    flush() {
      batch?.release()
      if ('flushSync' in stdout && typeof stdout.flushSync === 'function') stdout.flushSync()
    },
  }
}

function openBatch(destination: DestinationStream) {
  let lines = ''
  let waiting: NodeJS.Timeout | undefined
  const release = (): void => {
    clearTimeout(waiting)
    waiting = undefined
    if (lines === '') return
    const released = lines
    lines = ''
    destination.write(released)
  }
  return {
    write(line: string): void {
      lines += line
      if (lines.length >= BATCH) release()
      else waiting ??= setTimeout(release, LONGEST_WAIT).unref()
    },
    release,
  }
}

/** Line by line in this process: pino's own way is a worker thread, which costs 10 MiB and loses the last lines. */
async function prettify(
  destination: DestinationStream,
  terminal: boolean,
): Promise<DestinationStream> {
  // In the bundle a CommonJS package has no named exports.
  const { default: pinoPretty } = await import('pino-pretty')
  const pretty = pinoPretty.prettyFactory({
    // NO_COLOR and a terminal without colours are known to `hasColors`, which nothing but a terminal has.
    colorize: terminal && process.stdout.hasColors(),
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

function lineOf(event: LogEventName, fields: LogFields): Readonly<Record<string, unknown>> {
  const line: Record<string, unknown> = { event }
  for (const name in fields) {
    if (!isLogField(name)) continue
    const shown = fieldValue(name, fields[name])
    if (shown !== undefined) line[name] = shown
  }
  return line
}

function fieldValue(name: LogFieldName, value: unknown): unknown {
  if (value instanceof Secret) return String(value)
  switch (LOG_FIELDS[name].kind) {
    case 'text':
      return typeof value === 'string' ? printable(value) : undefined
    case 'number':
      return typeof value === 'number' ? value : undefined
    case 'flag':
      return typeof value === 'boolean' ? value : undefined
    case 'error':
      return reduceError(value)
  }
}

function printable(text: string): string {
  if (text.length <= LONGEST_TEXT && PLAIN.test(text)) return text
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
  return ({ method, target, status, durationMs, requestId, code }) => {
    if (share < 1 && random() >= share) return
    const rounded = Math.round(durationMs * 10) / 10
    logger.log('access', {
      method,
      path: pathOf(target),
      status,
      durationMs: rounded,
      requestId,
      code,
    })
  }
}

function pathOf(target: string): string {
  const end = target.search(/[?#]/)
  return end === -1 ? target : target.slice(0, end)
}
