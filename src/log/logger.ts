import { pino, type DestinationStream } from 'pino'
import { Secret } from '../config/secret.ts'
import type { EndedRequest } from '../http/ended.ts'
import {
  LOG_EVENTS,
  LOG_FIELDS,
  isLogField,
  type LogEventName,
  type LogFieldName,
  type LogFields,
  type LogLevel,
} from './events.ts'

export type { LogFields } from './events.ts'

const LONGEST_TEXT = 512
/** Controls, bidirectional overrides, line separators: a terminal must not obey what a client wrote. */
const CONTROL = /[\p{C}\p{Zl}\p{Zp}]/gu
const CODE = /^[A-Za-z0-9_-]{1,64}$/

export interface LoggerOptions {
  readonly level: LogLevel
  /** `json`: one object a line. `pretty`: for a person at a terminal. */
  readonly format: 'json' | 'pretty'
  readonly destination: DestinationStream
  /** Colours of the pretty format. Default: false. */
  readonly colors?: boolean
  /** Milliseconds since 1970. Default: `Date.now`. */
  readonly now?: () => number
}

export interface Logger {
  /** Writes one line, at the event's own level unless another is given. Never throws, never waits. */
  readonly log: (event: LogEventName, fields?: LogFields, level?: LogLevel) => void
  /** Writes the line of a request. */
  readonly logAccess: (access: EndedRequest) => void
}

export async function createLogger(options: LoggerOptions): Promise<Logger> {
  const { level, format, now = Date.now } = options
  const logger = pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date(now()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    format === 'json' ? options.destination : await prettify(options),
  )
  const accesses = logger.child({ event: 'access' })
  const { level: accessLevel, text: accessText } = LOG_EVENTS.access

  return {
    log(event, fields = {}, level = LOG_EVENTS[event].level) {
      if (!logger.isLevelEnabled(level)) return
      logger[level](lineOf(event, fields), LOG_EVENTS[event].text)
    },
    logAccess(access) {
      if (!logger.isLevelEnabled(accessLevel)) return
      accesses[accessLevel](accessFields(access), accessText)
    },
  }
}

/** Line by line in this process: a stream of pino-pretty would queue without a limit when nobody reads. */
async function prettify({
  destination,
  colors = false,
}: LoggerOptions): Promise<DestinationStream> {
  // In the bundle a CommonJS package has no named exports.
  const { default: pinoPretty } = await import('pino-pretty')
  const pretty = pinoPretty.prettyFactory({
    colorize: colors,
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
    ignore: 'event',
  })
  return { write: (line) => destination.write(pretty(line)) }
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

/** The first frame of the stack. The message precedes the frames, and may look like one itself. */
function thrownAt(error: Error): string | undefined {
  const head = `${error.name}: ${error.message}\n`
  if (error.stack?.startsWith(head) !== true) return undefined
  const frame = error.stack.slice(head.length).split('\n', 1)[0] ?? ''
  return printable(frame.trim().replace(/^at /, ''))
}

/**
 * @param share 0: no access log, and `undefined` is returned; 1: every request; between: that share of
 *   them, taken at random.
 */
export function createAccessLog(
  { logAccess }: Pick<Logger, 'logAccess'>,
  share: number,
  random: () => number = Math.random,
): ((access: EndedRequest) => void) | undefined {
  if (share <= 0) return undefined
  if (share >= 1) return logAccess
  return (access) => {
    if (random() < share) logAccess(access)
  }
}

export function accessFields(access: EndedRequest): LogFields {
  const { method, target, status, durationMs, requestId, code } = access
  return {
    method: printable(method),
    path: printable(target.replace(/[?#].*$/s, '')),
    status,
    durationMs: durationMs === undefined ? 0 : Math.round(durationMs * 10) / 10,
    requestId: printable(requestId),
    code,
  }
}
