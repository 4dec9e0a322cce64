// Everything that a seed decides: the world, the acts, and their times. Traffic and network have generators of their own, so that
// an act does not change them.
import type { Config } from '../../src/config/index.ts'
import { hashOf, randomOf, seeded, type Random } from './loop.ts'
import {
  command,
  isOfMachine,
  lengthOf,
  REFUSED,
  STORE_FAULTS,
  type Act,
  type Make,
  type Deed,
  type Step,
} from './acts.ts'
import { storyOf } from './stories.ts'

export * from './acts.ts'

/** Another program logs in as the same user, and iSales allows one session. */
const rival = (after = 0) => [command('revoke', {}, after), command('revokeRefresh', {}, after)]
const OPERATIONS = ['login', 'refresh', 'business', 'business'] as const
const LINKS = ['isales', 'isales', 'proxy', 'store'] as const
const BODIES = ['json', 'html', 'empty'] as const

/** Responses to a login with any password. */
const LOGIN_FAILURES = [
  ...[500, 502, 503, 401, 403].map((status) => ({ status })),
  { status: 429, retryAfter: 1 },
  { status: 404, contentType: 'text/html', body: 'default backend - 404' },
]

/** An entry that is listed twice is drawn twice as often. */
const ANYWHERE: readonly Make[] = [
  (draw) => command('failLogin', { ...draw.pick(LOGIN_FAILURES), times: draw.between(1, 2) }),
  (draw) => command('failLogin', { ...draw.pick(LOGIN_FAILURES), times: draw.between(1, 2) }),
  (draw) =>
    command('failRefresh', { status: draw.pick([500, 503, 401]), times: draw.between(1, 2) }),
  (draw) => command('html', { operation: draw.pick(OPERATIONS), status: draw.pick([200, 502]) }),
  (draw) =>
    command('slow', {
      operation: draw.pick(OPERATIONS),
      ms: draw.between(200, 1500),
      times: draw.between(1, 5),
    }),
  (draw) => command('hang', { operation: draw.pick(OPERATIONS) }),
  (draw) => command('blackHole', { seconds: draw.between(1, 5) }),
  (draw) =>
    command('reset', {
      operation: draw.pick(OPERATIONS),
      at: draw.pick(['before-head', 'after-head', 'mid-body']),
      times: draw.between(1, 3),
    }),
  (draw) => {
    const status = draw.pick([500, 503, 401, 403])
    const executed = status >= 500 && draw.chance(0.5)
    return command('failBusiness', { status, executed, times: draw.between(1, 5) })
  },
  (draw) => {
    const status = draw.pick([429, 404, 200, 200])
    const useless = draw.pick(['', 'OK', '{"result":0,"resul', { result: 3 }])
    const body = status === 200 ? useless : { result: status }
    return command('failBusiness', { status, body, executed: false, seconds: draw.between(6, 15) })
  },
  (draw) => {
    const status = draw.pick([200, 403, 502])
    return command('html', { operation: 'business', status, seconds: draw.between(6, 15) })
  },
  (draw) => ({
    kind: 'forbid',
    ms: draw.pick([3000, 8000, 60_000]),
    status: draw.pick([401, 403]),
    body: draw.pick(BODIES),
  }),
  () => command('disconnect'),
  (draw) => ({ kind: 'outage', ms: draw.between(200, draw.pick([3000, 25_000])) }),
  () => command('revokeRefresh'),
  (draw) =>
    command('set', { tokenLifetime: draw.between(2, 10), refreshLifetime: draw.between(5, 60) }),
  () => command('revoke'),
  () => command('revoke'),
  (draw) => [command('revoke'), command('revoke', {}, draw.between(1, 300))],
  (draw) => {
    const apart = draw.pick([300, 1000, 4000])
    return [0, 1, 2, 3].slice(0, draw.pick([1, 4])).flatMap((nth) => rival(nth * apart))
  },
  // A refused path puts rejections in doubt. Calls that were sent before a revocation are then accepted after its first rejection.
  (draw) => [
    { kind: 'forbid', ms: 3000, status: 401, body: 'json' },
    { kind: 'rush', ms: 9000 },
    { kind: 'jitter', ms: 6000, most: draw.between(500, 1500), after: 3000 },
    command('revoke', {}, draw.between(4000, 5000)),
    command('revoke', {}, draw.between(6500, 7500)),
  ],
  // Calls that iSales answers without a look at the token make a dead token look good.
  () => [
    command('set', { tokenLifetime: 300 }),
    command('revoke'),
    { kind: 'forbid', ms: 4000, status: 401, body: 'json', after: 2000 },
    { kind: 'rush', ms: 4000, after: 2000 },
    { kind: 'public', ms: 50_000, after: 2000 },
    command('revoke', {}, 8000),
  ],
  // Few connections for many calls.
  (draw) => {
    const ms = draw.between(8000, 20_000)
    const slow = { operation: 'business', ms: draw.between(200, 500), seconds: ms / 1000 }
    return [{ kind: 'places', ms, most: 2 }, command('slow', slow), { kind: 'rush', ms }]
  },
  (draw) => ({ kind: 'storm', ms: draw.pick([300, 1000, 4000, 40_000, 40_000]) }),
  (draw) => ({ kind: 'rush', ms: draw.between(1000, 5000) }),
  (draw) => {
    const ms = draw.between(8000, 20_000)
    const as = draw.pick([...REFUSED, 'impatient', 'impatient'])
    const slow = command('slow', { operation: 'business', ms: 1500, seconds: ms / 1000 })
    return [...(as === 'impatient' && draw.chance(0.7) ? [slow] : []), { kind: 'plain', as, ms }]
  },
  (draw) => ({ kind: 'freeze', replica: draw.replica(), ms: draw.between(200, 12_000) }),
  (draw) => ({ kind: 'kill', replica: draw.replica(), ms: draw.between(0, 4000) }),
  (draw) => [
    command('slow', { operation: 'business', ms: draw.between(300, 1500), times: 3 }),
    { kind: 'terminate', replica: draw.replica(), ms: draw.between(0, 4000), after: 50 },
  ],
  // An operator asks repeatedly while no login succeeds.
  (draw) => {
    const act = { kind: 'hang-up', replica: draw.replica() } as const
    const asks = Array.from({ length: 40 }, (_, nth) => ({ ...act, after: nth * 100 }))
    return [...rival(), command('failLogin', { status: 503, seconds: 6 }), ...asks]
  },
  ...[40, 400, 4000].map((most): Make => (draw) => {
    return { kind: 'cut', link: draw.pick(LINKS), bytes: draw.between(0, most) }
  }),
  (draw) => ({ kind: 'stall', link: draw.pick(LINKS), ms: draw.between(100, 8000) }),
  (draw) => {
    const how = draw.pick(['full', 'stalled'] as const)
    return { kind: 'disk', how, replica: draw.replica(), ms: draw.between(1000, 20_000) }
  },
]

/**
 * The proxy's own renewals end the token of calls in flight, which a newer token does not help. Two processes with one `STATE_DIR`
 * end each other's tokens.
 */
const ownRenewals: Make = (draw) => [
  command('set', { singleSession: true, refreshEndsOld: true }),
  command('slow', { operation: 'business', ms: draw.between(200, 600), times: 200 }),
  { kind: 'forbid', ms: 40_000, status: 401, body: 'json' },
  { kind: 'rush', ms: 40_000 },
]

const wrongFile: Make = (draw) => ({ kind: 'wrong-file', ms: draw.between(3000, 25_000) })

const hold: Make = (draw) => {
  const holding = draw.pick(['idle', 'half-sent', 'ahead', 'ahead', 'not-reading'] as const)
  const ms = draw.between(3000, 5000) + (holding === 'not-reading' ? 12_000 : 0)
  const act = { kind: 'hold', holding, replica: draw.replica(), ms, after: 1 } as const
  const slow = command('slow', { operation: 'business', ms: 1500, times: 10 })
  return holding === 'ahead' ? [slow, act] : act
}

/** Two of these do not overlap: most change a secret. */
const EXCLUSIVE: readonly Make[] = [
  hold,
  hold,
  hold,
  (draw) => ({
    kind: 'rotate',
    first: draw.pick(['isales', 'file']),
    gap: draw.between(0, draw.pick([25_000, 25_000, 130_000])),
    ends: draw.chance(0.5),
  }),
  wrongFile,
  // An operator asks repeatedly, with the wrong password in the file.
  (draw) => [
    { kind: 'wrong-file', ms: draw.between(70_000, 130_000) },
    ...Array.from({ length: 18 }, (_, nth): Step => {
      return { kind: 'hang-up', replica: draw.replica(), after: 2000 + nth * 7000 }
    }),
  ],
  (draw) => ({
    kind: 'crash-loop',
    replica: draw.replica(),
    ms: draw.between(4, 40),
    // A start waits for a login in progress: a longer loop logs in more often.
    times: draw.chance(0.4) ? draw.between(40, 50) : draw.between(2, 8),
  }),
]

const STORE = STORE_FAULTS.map((how): Make => (draw) => {
  return { kind: 'store', how, ms: draw.between(500, 8000) }
})

export interface Plan {
  readonly seed: number
  /** Milliseconds until the last act has ended. */
  readonly duration: number
  readonly replicas: number
  /** The replicas share a token. Otherwise, they have one `STATE_DIR`. */
  readonly shared: boolean
  /** Switches of the simulated iSales from the start. */
  readonly switches: Readonly<Record<string, unknown>>
  /** Settings of the proxy. */
  readonly env: Readonly<Record<string, string>>
  readonly config: Partial<Config>
  /** Total calls per second. */
  readonly rate: number
  readonly acts: readonly Act[]
}

/**
 * @param minutes until the end of the last act.
 * @param given `replicas` is the number of real processes; the plan then has no act that needs a simulated machine.
 */
export function planOf(
  seed: number,
  minutes: number,
  given: { readonly rate?: number | undefined; readonly replicas?: number } = {},
): Plan {
  const drawing = (what: string): Random => randomOf(seeded(hashOf(`${seed} ${what}`)))
  const world = drawing('world')
  const duration = minutes * 60_000
  const real = given.replicas !== undefined
  const stories = drawing('story')
  const story = real ? undefined : storyOf(seed, { ...stories, replica: () => 0 })
  const drawn = world.pick([1, 1, 1, 2, 3, 3])
  const replicas = given.replicas ?? story?.replicas ?? drawn
  const shared = replicas > 1 && (real || replicas > 2 || world.chance(0.5))
  const rejection = world.pick([401, 401, 403, 'result'] as const)
  const loginRejection = world.pick([401, 403, 'result', 500, 500] as const)
  const rejectionBody = world.pick(['json', 'json', 'html', 'empty'] as const)
  const plan = {
    seed,
    duration,
    replicas,
    shared,
    switches: {
      tokenLifetime: world.pick([5, 10, 20, 60, 300]),
      refreshLifetime: world.pick([10, 60, 600, 3600]),
      rejection,
      loginRejection,
      // A 500 with another body is not the published response to a wrong password.
      rejectionBody: loginRejection === 500 ? 'json' : rejectionBody,
      rotate: world.chance(0.3),
      refreshEndsOld: world.chance(0.2),
      sameToken: world.pick(['off', 'off', 'off', 'extended']),
      singleSession: shared && world.chance(0.6),
      latency: world.pick([0, 3, 20]),
      gzip: world.pick(['off', 'off', 'accepted']),
      ...story?.switches,
    },
    env: {
      ...(rejection === 'result' && { ISALES_REJECTED: '401,403,result=7' }),
      ...(world.chance(0.35) && { LOGIN_REJECTED_ATTEMPTS: '1' }),
      MAX_IN_FLIGHT: '16',
    },
    config: {
      ...(world.chance(0.25) && { isalesMaxConnections: 2 }),
      // Small, so that few connections reach the limit.
      listenMaxConnections: 24,
      drainTimeout: 5000,
    },
    // Few calls are cheap to simulate; some mistakes need many.
    rate: given.rate ?? world.pick([1, 1, 2, 5]),
  }
  const acts = story ? madeOf(story.steps, 0) : actsOf(drawing('acts'), plan, real)
  return { ...plan, acts: acts.sort((one, other) => one.at - other.at) }
}

const madeOf = (steps: Step | readonly Step[], at: number): Act[] =>
  [steps].flat().map(({ after = 0, ...act }) => Object.assign({ at: at + after }, act as Deed))

function actsOf(
  random: Random,
  { replicas, shared, duration }: Omit<Plan, 'acts'>,
  real: boolean,
): Act[] {
  const draw = { ...random, replica: () => random.between(0, replicas - 1) }
  const together = replicas > 1 && !shared
  const kinds = [
    ...ANYWHERE,
    ...EXCLUSIVE,
    ...(together ? [] : [ownRenewals]),
    ...(shared ? STORE : []),
  ]
  // Few kinds in one seed, so that acts of the same kind overlap.
  const liked = Array.from({ length: random.between(3, 8) }, () => random.pick(kinds))
  // Replicas that ignored each other's attempts would each log in as often as a single one.
  if (together || (shared && random.chance(0.4))) liked.push(wrongFile)
  const acts: Act[] = []
  let at = random.between(500, 8000)
  let busyUntil = 0
  while (at < duration) {
    const make = random.chance(0.85) ? random.pick(liked) : random.pick(kinds)
    const made = madeOf(make(draw), at).filter((act) => !(real && isOfMachine(act)))
    const isExclusive = EXCLUSIVE.includes(make)
    if (!isExclusive || at > busyUntil) acts.push(...made)
    if (isExclusive && at > busyUntil)
      busyUntil = Math.max(at + 60_000, ...made.map((act) => act.at + lengthOf(act)))
    at += random.chance(0.3) ? random.between(50, 800) : random.between(1000, 12_000)
  }
  return acts
}
