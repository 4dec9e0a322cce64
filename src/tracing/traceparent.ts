/** A span context that came from outside. */
export interface ParentContext {
  readonly traceId: string
  readonly spanId: string
  readonly traceFlags: number
}

const TRACEPARENT = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/
const ZEROS = /^0+$/

/**
 * W3C Trace Context section 3.2: the parent that a client names, or undefined when it names none, more than one, or
 * one that is malformed: then a new trace begins.
 */
export function parentOf(rawHeaders: readonly string[]): ParentContext | undefined {
  let value: string | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() !== 'traceparent') continue
    if (value !== undefined) return undefined
    value = rawHeaders[i + 1]
  }
  const [, version, traceId = '', spanId = '', flags = '', more] =
    TRACEPARENT.exec(value ?? '') ?? []
  if (version === undefined || version === 'ff') return undefined
  // Only a later version may hold more than these four fields.
  if (version === '00' && more !== undefined) return undefined
  if (ZEROS.test(traceId) || ZEROS.test(spanId)) return undefined
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1 }
}
