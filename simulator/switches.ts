import { z } from 'zod'

const seconds = z.number().min(0)
/** How a refusal is sent: an HTTP status, or 200 with the `result` of `rejectionResult`. */
const refusal = z.union([z.literal('result'), z.int().min(400).max(599)])
export type Refusal = z.infer<typeof refusal>

/**
 * Behavior that the published interface leaves open, and values that a test varies. Times are in
 * seconds, as in the interface, unless the text names another unit. `meta.flag` is the name on the
 * command line if it differs from the switch's name.
 */
export const SWITCHES = z.strictObject({
  user: z.string().default('obs').describe('the user of the account'),
  password: z.string().default('simulated-password').describe('its password'),
  tokenLifetime: z
    .unknown()
    .default(300)
    .meta({ flag: 'lifetime', description: 'tokenExpirationTime as sent, whatever it is' }),
  tokenLives: seconds
    .nullable()
    .default(null)
    .describe('how long a token really lives; null: as sent, or 300 s when that is no number'),
  refreshLifetime: z.unknown().default(3600).describe('refreshExpirationTime as sent'),
  refreshLives: seconds.nullable().default(null).describe('how long a refresh token really lives'),
  omit: z.array(z.string()).readonly().default([]).describe('members that no response has'),
  resultAs: z.enum(['number', 'string']).default('number').describe('the type of `result`'),
  rejection: refusal.default(401).describe('how a business call without a good token is refused'),
  loginRejection: refusal.default(403).describe('how a wrong user or password is refused'),
  refreshRejection: refusal.default(403).describe('how an unknown refresh token is refused'),
  rejectionResult: z.unknown().default(7).describe('`result` of a refusal that is a 200'),
  rejectionBody: z
    .enum(['json', 'html', 'empty'])
    .default('json')
    .describe('the body of a refusal: JSON as published, a page, or nothing'),
  forbiddenPath: z
    .string()
    .nullable()
    .default(null)
    .describe('a path, such as business/tasks, that is refused whatever its token'),
  forbiddenStatus: z
    .int()
    .min(400)
    .max(599)
    .default(403)
    .describe('how the forbidden path is refused'),
  forbiddenBody: z.enum(['json', 'html', 'empty']).default('json').describe('and with which body'),
  publicPath: z
    .string()
    .nullable()
    .default(null)
    .describe('a path, such as business/tasks, that is served without a look at the token'),
  edition: z
    .enum(['english', 'chinese'])
    .default('english')
    .describe('which header and which token a business call must carry'),
  acceptHeaders: z
    .array(z.string())
    .readonly()
    .nullable()
    .default(null)
    .describe('headers, any of which may carry the token; null: as the edition says'),
  businessToken: z
    .enum(['token', 'refreshToken'])
    .nullable()
    .default(null)
    .describe('the token that a business call carries; null: as the edition says'),
  scheme: z.string().default('Bearer').describe('before the token in the header; may be empty'),
  refreshHeader: z
    .boolean()
    .default(true)
    .describe('a refresh must carry one of the two tokens in `Authentication`, too'),
  refreshBody: z
    .boolean()
    .default(true)
    .describe('the refresh token is read from the body; if not, from `Authentication`'),
  rotate: z.boolean().default(false).describe('a refresh token can be used once'),
  refreshEndsOld: z.boolean().default(false).describe('a refresh ends the token that it replaces'),
  singleSession: z.boolean().default(false).describe('a login ends every earlier session'),
  sameToken: z
    .enum(['off', 'extended', 'remaining', 'unextended'])
    .default('off')
    .describe(
      'what a login gets while a token is good: a new one (off), or the same with a new life ' +
        '(extended), with what is left of it (remaining), or with a full life that is not true ' +
        '(unextended)',
    ),
  lockAfter: z.int().min(0).default(5).describe('wrong passwords that lock the account; 0: never'),
  lockPolicy: z
    .enum(['both', 'row', 'window'])
    .default('both')
    .describe(
      'which wrong passwords count: those in a row (locked until the command `unlock`), those ' +
        'within lockWindow (locked for lockLasts), or either',
    ),
  lockWindow: seconds.default(900).describe('how long a wrong password counts'),
  lockLasts: seconds.default(900).describe('how long the lock of the window lasts'),
  absoluteUrls: z.boolean().default(false).describe('business/interface gives URLs, not paths'),
  callsUnder: z
    .string()
    .startsWith('/')
    .nullable()
    .default(null)
    .describe('a path under which business/interface names all other calls; null: as published'),
  repeatSecrets: z
    .boolean()
    .default(false)
    .describe('responses repeat password and token in headers, keys and a path'),
  latency: z.number().min(0).default(0).describe('milliseconds before each response'),
  gzip: z.enum(['off', 'accepted', 'always']).default('off').describe('when responses are packed'),
})

export type Switches = Readonly<z.infer<typeof SWITCHES>>

/** @throws {TypeError} if a name is not a switch, or a switch does not accept the value. */
export function changeSwitches(current: Partial<Switches>, changes: object): Switches {
  return check(SWITCHES, { ...current, ...changes })
}

/** @throws {TypeError} with a sentence about the first error of the value. */
export function check<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(value, { reportInput: true })
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  if (issue?.code === 'unrecognized_keys') throw new TypeError(`${issue.keys[0]} is not known`)
  const name = issue?.path.join('.') || 'the value'
  throw new TypeError(
    issue?.input === undefined
      ? `${name} is missing`
      : `${name} cannot be ${JSON.stringify(issue.input)}`,
  )
}

/** Returns the real duration of a lifetime as sent, in seconds: 300 if it is unreadable. */
export function trueLife(sent: unknown, lives: number | null): number {
  if (lives !== null) return lives
  const seconds = typeof sent === 'string' && sent.trim() !== '' ? Number(sent) : sent
  return typeof seconds === 'number' && Number.isFinite(seconds) && seconds > 0 ? seconds : 300
}
