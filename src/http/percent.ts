/** Decodes each `%` with two hexadecimal digits to one character (RFC 3986 section 2.1); nothing else changes. */
export function percentDecode(text: string): string {
  return text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
}
