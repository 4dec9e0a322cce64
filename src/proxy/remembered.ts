/** Beyond so many all are forgotten, so that texts of one client cannot stay in the way of those of others. */
const MAX_TEXTS = 256
/** Characters; a longer text is computed each time. */
const MAX_LENGTH = 256

/**
 * A pure function of a text that remembers its results: clients and iSales send the same names and paths with each call.
 * It keeps 256 texts of 256 characters at most.
 */
export function remembered<Result>(compute: (text: string) => Result): (text: string) => Result {
  const results = new Map<string, Result>()
  return (text) => {
    const known = results.get(text)
    if (known !== undefined) return known
    const result = compute(text)
    if (results.size >= MAX_TEXTS) results.clear()
    if (text.length <= MAX_LENGTH) results.set(text, result)
    return result
  }
}
