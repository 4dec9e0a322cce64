import type { Outgoing } from '../tracing/tracing.ts'

/**
 * Puts our own place in a trace into the fields of a request (W3C Trace Context section 3.3.1): our `traceparent` instead of the
 * client's, and no `tracestate` of a trace that is not continued. Untraced, the client's pass as they came.
 */
export function withTrace(
  fields: readonly string[],
  { traceparent, keepState }: Outgoing,
): string[] {
  const traced: string[] = []
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? ''
    const lower = name.toLowerCase()
    if (lower === 'traceparent' || (!keepState && lower === 'tracestate')) continue
    traced.push(name, fields[i + 1] ?? '')
  }
  traced.push('traceparent', traceparent)
  return traced
}
