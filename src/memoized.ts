/** Beyond this number of texts, all are forgotten, so that one client's texts cannot displace others' for long. */
const MAX_TEXTS = 256
/** Maximum characters; a longer text is computed every time. */
const MAX_LENGTH = 256

/** Memoizes a pure function of a text, for names and paths that every call repeats. Keeps at most 256 texts. */
export function memoized<Text extends string, Result>(
  compute: (text: Text) => Result,
): (text: Text) => Result {
  const results = new Map<Text, Result>()
  return (text) => {
    const known = results.get(text)
    if (known !== undefined) return known
    const result = compute(text)
    if (results.size >= MAX_TEXTS) results.clear()
    if (text.length <= MAX_LENGTH) results.set(text, result)
    return result
  }
}
