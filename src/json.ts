/** A JSON object whose members are not validated yet. */
export type JsonObject = Readonly<Record<string, unknown>>

/** Parses a JSON object; undefined if the text is not JSON or not an object. */
export function parseObject(text: string): JsonObject | undefined {
  try {
    const json: unknown = JSON.parse(text)
    return isObject(json) ? json : undefined
  } catch {
    return undefined
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
