/** Secrets that are planted, and the search for them. Quotes, `%` and `/` so that an encoded one differs from the plain one. */
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

/** The names or texts of the secrets found in `text`, plain or as JSON, base64, hex or percent-encoding writes them. */
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
    // The last characters of base64 depend on what follows.
    bytes.toString('base64').slice(0, Math.floor(bytes.length / 3) * 4),
    bytes.toString('hex'),
    encodeURIComponent(secret),
  ]
}
