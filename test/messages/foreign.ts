/** Literal input and output, paths, and settings with a value. */
const LITERAL = /`[^`]*`|\S*[/=]\S*|--[a-z-]+|\. _ ~ -|\? #/g

/** Returns what a Chinese text does not contain: three English words in a row, and half-width punctuation. */
export const foreign = (whole: string): readonly string[] => {
  const text = whole.replaceAll(LITERAL, '')
  const words = /\b[a-z]+(?: [a-z]+){2,}/gi
  // A comma or a colon may belong to a number, a time or a URL.
  const punctuation = /[;!?()]|,(?!\d{3})|:(?!\d|\/\/|password|port)|\.(?=\s|$)/g
  return [...(text.match(words) ?? []), ...(text.match(punctuation) ?? [])]
}
