/** Planted secrets. Because of quotes, `%` and `/`, their encoded forms differ from the plain ones. */
export const CANARIES = {
  password: 'canary-"pass/1%word',
  rotated: 'canary-"rotated/2%word',
  obsPassword: 'canary-"obs/3%word',
  wrongPassword: 'canary-"wrong/4%word',
  clientToken: 'canary-client-token-5',
  responseToken: 'canary-response-token-6',
  responseRefresh: 'canary-response-refresh-7',
  egressPassword: 'canary-egress-8',
} as const

/** Returns the names or texts of secrets in `text`, plain or in JSON, base64, hex or percent-encoding. */
export function leaks(text: string, more: readonly string[] = []): readonly string[] {
  const planted = [...Object.entries(CANARIES), ...more.map((secret) => [secret, secret] as const)]
  return planted.flatMap(([name, secret]) =>
    spellings(secret).some((spelling) => text.includes(spelling)) ? name : [],
  )
}

function spellings(secret: string): readonly string[] {
  const bytes = Buffer.from(secret)
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    // The last characters of base64 depend on the next bytes.
    bytes.toString('base64').slice(0, Math.floor(bytes.length / 3) * 4),
    bytes.toString('hex'),
    encodeURIComponent(secret),
  ]
}
