import { pino, type DestinationStream } from 'pino'
import { Secret } from '../config/secret.ts'
import type { ProblemCode } from '../http/problem.ts'
import { LOG_EVENTS, type LogEventName, type LogLevel } from './events.ts'
import { LOG_FIELDS, isLogField, type LogFieldName, type LogFields } from './fields.ts'
import { openStdout, sinkTo, type LogFormat } from './sink.ts'

export type { LogFields } from './fields.ts'

const LONGEST_TEXT = 512
/** Controls, bidirectional overrides, line separators: a terminal must not obey what a client wrote. */
const CONTROL = /[\p{C}\p{Zl}\p{Zp}]/gu
const PLAIN = /^[ -~]*$/
const CODE = /^[A-Za-z0-9_-]{1,64}$/

export interface LoggerOptions {
  readonly level: LogLevel
  /** `json`: one object a line. `pretty`: for a person at a terminal. */
  readonly format: LogFormat
  /** Default: stdout. */
  readonly destination?: DestinationStream
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

export interface Access {
  readonly method: string
  /** The request target; the query is cut off here. */
  readonly target: string
  readonly status: number
  readonly durationMs: number
  readonly requestId: string
  /** The problem code, when the proxy itself answered with an error. */
  readonly code?: ProblemCode | undefined
}

export interface Logger {
  /** Writes one line, at the event's own level unless another is given. Never throws, never waits. */
  readonly log: (event: LogEventName, fields?: LogFields, level?: LogLevel) => void
  /** Writes the line of a request, which may wait for others. */
  readonly logAccess: (access: Access) => void
  /** Writes out what is still in memory; for the end of the process. */
  readonly flush: () => void
}

export async function createLogger(options: LoggerOptions): Promise<Logger> {
  const { level, format, now = Date.now } = options
  const sink = options.destination
    ? await sinkTo(options.destination, format)
    : await openStdout(format)
  const logger = pino(
    {
      level,
      base: null,
      timestamp: timestamps(now),
      formatters: { level: (label) => ({ level: label }) },
    },
    sink.stream,
  )

  const accesses = logger.child({ event: 'access' })
  const { level: accessLevel, text: accessText } = LOG_EVENTS.access

  return {
    log(event, fields = {}, level = LOG_EVENTS[event].level) {
      if (!logger.isLevelEnabled(level)) return
      logger[level](lineOf(event, fields), LOG_EVENTS[event].text)
      sink.release()
    },
    logAccess(access) {
      if (!logger.isLevelEnabled(accessLevel)) return
      accesses[accessLevel](accessFields(access), accessText)
    },
    flush: sink.flush,
  }
}

/** Under load many lines have one time, and to write it takes as long as to write a line. */
function timestamps(now: () => number): () => string {
  let latest = Number.NaN
  let text = ''
  return () => {
    const time = now()
    if (time !== latest) text = `,"time":"${new Date(time).toISOString()}"`
    latest = time
    return text
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

/**
 * @param share 0: no access log, and `undefined` is returned so that the request path can leave it out; 1: every request;
 *   between: that share of them, taken at random.
 */
export function createAccessLog(
  { logAccess }: Pick<Logger, 'logAccess'>,
  share: number,
  random: () => number = Math.random,
): ((access: Access) => void) | undefined {
  if (share <= 0) return undefined
  if (share >= 1) return logAccess
  return (access) => {
    if (random() < share) logAccess(access)
  }
}

/** Written out, not put together as other lines are: that would take two fifths of what it takes to make one. */
export function accessFields(access: Access): LogFields {
  const { method, target, status, durationMs, requestId, code } = access
  return {
    method: printable(method),
    path: printable(pathOf(target)),
    status,
    durationMs: Math.round(durationMs * 10) / 10,
    requestId: printable(requestId),
    code,
  }
}

function pathOf(target: string): string {
  const end = target.search(/[?#]/)
  return end === -1 ? target : target.slice(0, end)
}
