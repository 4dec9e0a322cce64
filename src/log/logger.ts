import { pino, type DestinationStream } from 'pino'
import { readErrorCode } from '../causes.ts'
import { Secret } from '../config/index.ts'
import { classifyRequest, pathOf, type RequestSummary } from '../request-summary.ts'
import { excerpt } from '../terminal.ts'
import {
  LOG_EVENTS,
  LOG_FIELDS,
  type EventKind,
  type LogEventName,
  type LogFieldName,
  type LogFields,
  type LogLevel,
} from './log-events.ts'

const MAX_TEXT = 512

export interface LogOptions {
  readonly level: LogLevel
  /** `json`: one object per line. `pretty`: for a terminal. */
  readonly format: 'json' | 'pretty'
  readonly destination: DestinationStream
  /** Colors in the pretty format. Default: false. */
  readonly colors?: boolean
}

/** Writes a line at the event's own level, unless another is given. Never throws, never waits. */
export type Log = (
  event: LogEventName,
  fields?: LogFields,
  level?: LogLevel,
  /** Message of `finding-began` and `finding-ended`, which varies. Default: the event's own. */
  message?: string,
) => void

export async function createLog(options: LogOptions): Promise<Log> {
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    options.format === 'json' ? options.destination : await prettify(options),
  )
  return (event, fields = {}, level = LOG_EVENTS[event].level, message) => {
    if (!logger.isLevelEnabled(level)) return
    const { audit, msg }: EventKind = LOG_EVENTS[event]
    logger[level](fieldsOf(event, { ...fields, audit }), excerpt(message ?? msg, MAX_TEXT))
  }
}

/** Formats line by line in this process, because a stream of pino-pretty would queue without limit. */
async function prettify({ destination, colors = false }: LogOptions): Promise<DestinationStream> {
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

/** Keeps only listed fields with values of their type, because the compiler does not see every field. */
function fieldsOf(event: LogEventName, fields: LogFields): Readonly<Record<string, unknown>> {
  const line: Record<string, unknown> = { event }
  for (const [name, value] of Object.entries(fields)) {
    const type = Object.hasOwn(LOG_FIELDS, name) ? LOG_FIELDS[name as LogFieldName] : undefined
    if (type === 'error') line[name] = reduceError(value)
    else if (type !== undefined && value instanceof Secret) line[name] = String(value)
    else if (typeof value === type)
      line[name] = typeof value === 'string' ? excerpt(value, MAX_TEXT) : value
  }
  return line
}

function reduceError(error: unknown): Readonly<Record<string, string | undefined>> | undefined {
  if (!(error instanceof Error)) return error === undefined ? undefined : { name: typeof error }
  const code = readErrorCode(error)
  const isCode = /^[A-Za-z0-9_-]{1,64}$/.test(code) && code !== 'unknown'
  return { name: excerpt(error.name, 64), code: isCode ? code : undefined, at: thrownAt(error) }
}

/** Returns the first frame of the stack. The message precedes the frames, and may look like one itself. */
function thrownAt(error: Error): string | undefined {
  const head = `${error.name}: ${error.message}\n`
  if (error.stack?.startsWith(head) !== true) return undefined
  const frame = error.stack.slice(head.length).split('\n', 1)[0] ?? ''
  return excerpt(frame.trim().replace(/^at /, ''), MAX_TEXT)
}

/** Returns the fields of a request, without headers, body and query. */
export function accessFields(request: RequestSummary): LogFields {
  const { method, status, durationMs = 0, upstreamMs, requestId, code, attempts } = request
  const { outcome, cause } = classifyRequest(request)
  return {
    method,
    path: pathOf(request),
    status,
    outcome,
    cause,
    durationMs: Math.round(durationMs * 10) / 10,
    upstreamMs,
    requestId,
    code,
    attempts,
  }
}
