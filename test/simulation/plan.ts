// What a seed decides: the world, what is done to it, and when. Acts, traffic and network draw from generators of their own,
// so that one act less changes nothing else.
import { hashOf, seeded } from './loop.ts'
import { FEW_PLACES, type Holding } from './others.ts'

/** One thing that is done to the proxy or to its world; `at` in milliseconds from the start. */
export type Act = { readonly at: number } & (
  | {
      /** A command of the simulated iSales. */
      readonly kind: 'command'
      readonly command: string
      readonly input: Readonly<Record<string, unknown>>
    }
  /** The password changes, at iSales and in the mounted file; `gap` after the other when it is not 0. */
  | {
      readonly kind: 'rotate'
      readonly first: 'isales' | 'file'
      readonly gap: number
      /** The change ends all sessions. */
      readonly ends: boolean
    }
  /** The file gets a wrong password for `ms`. */
  | { readonly kind: 'wrong-file'; readonly ms: number }
  /** Another program logs in as the same user, and iSales allows one session. */
  | { readonly kind: 'rival' }
  /** For `ms`, iSales rejects every token, however new. */
  | { readonly kind: 'storm'; readonly ms: number }
  /** For `ms`, iSales rejects one path, whatever its token. */
  | {
      readonly kind: 'forbid'
      readonly ms: number
      readonly status: number
      readonly body: 'json' | 'html' | 'empty'
    }
  /** iSales takes no connection for `ms`. */
  | { readonly kind: 'outage'; readonly ms: number }
  /** The process of a replica is stopped (SIGSTOP) for `ms`. */
  | { readonly kind: 'freeze'; readonly replica: number; readonly ms: number }
  /** It ends by SIGKILL or SIGTERM, and starts again `ms` later. */
  | { readonly kind: 'kill' | 'terminate'; readonly replica: number; readonly ms: number }
  /** It is started each second with a wrong password, and killed `ms` after each start. */
  | {
      readonly kind: 'crash-loop'
      readonly replica: number
      readonly ms: number
      readonly times: number
    }
  /** SIGHUP. */
  | { readonly kind: 'hang-up'; readonly replica: number }
  /** For `ms`, ten more calls a second. */
  | { readonly kind: 'rush'; readonly ms: number }
  /** Another client holds connections for `ms`. */
  | {
      readonly kind: 'hold'
      readonly holding: Holding
      readonly replica: number
      readonly ms: number
    }
  /** The next connection that carries so many more bytes is cut behind them. */
  | { readonly kind: 'cut'; readonly link: LinkName; readonly bytes: number }
  /** For `ms`, nothing is delivered, or nobody is reached. */
  | { readonly kind: 'stall' | 'unreachable'; readonly link: LinkName; readonly ms: number }
  /** For `ms`, each delivery to and from iSales takes up to `most`: connections overtake each other. */
  | { readonly kind: 'jitter'; readonly ms: number; readonly most: number }
  /** For `ms`, the name of iSales has no address, or nobody says. */
  | { readonly kind: 'dns'; readonly ms: number; readonly silent: boolean }
  /** The date of a replica is wrong from now on, by so many milliseconds. */
  | { readonly kind: 'date'; readonly replica: number; readonly offset: number }
  /** The disk of a replica is full for `ms`. */
  | { readonly kind: 'disk-full'; readonly replica: number; readonly ms: number }
  /** For `ms`, nothing that its disk is given is there for good. */
  | { readonly kind: 'disk-stalled'; readonly replica: number; readonly ms: number }
  /** The shared store is killed, or stopped (SIGSTOP), or responds with an error, for `ms`. */
  | { readonly kind: 'store-killed' | 'store-frozen'; readonly ms: number }
  | { readonly kind: 'store-refuses'; readonly ms: number }
  /** It loses all, goes back to what it held 5 to 30 s before, or holds rubbish. */
  | { readonly kind: 'store-emptied' }
  | { readonly kind: 'store-rolled-back' | 'store-spoilt' }
)

export type LinkName = 'isales' | 'store' | 'proxy'

/** What only a simulated machine can do. */
const MACHINE_ACTS = [
  'cut',
  'stall',
  'unreachable',
  'jitter',
  'dns',
  'date',
  'disk-full',
  'disk-stalled',
  'store-refuses',
  'store-rolled-back',
  'store-spoilt',
] as const
export type MachineAct = Extract<Act, { readonly kind: (typeof MACHINE_ACTS)[number] }>
export const isOfMachine = (act: Act): act is MachineAct =>
  MACHINE_ACTS.some((kind) => kind === act.kind)

export interface Plan {
  readonly seed: number
  /** Milliseconds until the last act has ended. */
  readonly duration: number
  readonly replicas: number
  /** They share a token. Those that do not have one `STATE_DIR`. */
  readonly shared: boolean
  readonly singleSession: boolean
  /** Switches of the simulated iSales from the start. */
  readonly switches: Readonly<Record<string, unknown>>
  /** Settings of the proxy. */
  readonly env: Readonly<Record<string, string>>
  /** Calls a second, all in all. */
  readonly rate: number
  readonly acts: readonly Act[]
}

export interface Random {
  /** An integer from `min` to `max`, both included. */
  between(min: number, max: number): number
  pick<Value>(values: readonly [Value, ...Value[]]): Value
  chance(probability: number): boolean
}

export function randomOf(unit: () => number): Random {
  return {
    between: (min, max) => min + Math.floor(unit() * (max - min + 1)),
    pick: (values) => values[Math.floor(unit() * values.length)] ?? values[0],
    chance: (probability) => unit() < probability,
  }
}

/** Milliseconds between two starts in a loop. */
export const LOOP = 1000

/** Acts that end a token before its time. */
export const ENDS_TOKEN: ReadonlySet<string> = new Set(['revoke', 'rival', 'storm'])

/**
 * @param minutes until the last act has ended.
 * @param given replicas: of real processes, so that nothing is done that only a simulated machine can do.
 */
export function planOf(
  seed: number,
  minutes: number,
  given: { readonly rate?: number | undefined; readonly replicas?: number } = {},
): Plan {
  const world = randomOf(seeded(hashOf(`${seed} world`)))
  const random = randomOf(seeded(hashOf(`${seed} acts`)))
  const duration = minutes * 60_000
  const drawn = world.pick([1, 1, 1, 2, 3, 3])
  const { replicas = drawn } = given
  const together = given.replicas === undefined && replicas === 2 && world.chance(0.5)
  const shared = replicas > 1 && !together
  const rejection = world.pick([401, 401, 403, 'result'] as const)
  const plan = {
    seed,
    duration,
    replicas,
    shared,
    singleSession: shared && world.chance(0.6),
    switches: {
      tokenLifetime: world.pick([5, 10, 20, 60, 300]),
      refreshLifetime: world.pick([10, 60, 600, 3600]),
      rejection,
      loginRejection: world.pick([401, 403, 403, 'result']),
      rejectionBody: world.pick(['json', 'json', 'html', 'empty']),
      rotate: world.chance(0.3),
      refreshEndsOld: world.chance(0.2),
      sameToken: world.pick(['off', 'off', 'off', 'extended']),
      latency: world.pick([0, 3, 20]),
      gzip: world.pick(['off', 'off', 'accepted']),
    },
    env: {
      ...(rejection === 'result' && { ISALES_REJECTED_RESULTS: '7' }),
      ...(world.chance(0.35) && { LOGIN_REJECTED_ATTEMPTS: '1' }),
      ...(world.chance(0.25) && { ISALES_MAX_CONNECTIONS: '2' }),
      ...FEW_PLACES,
      DRAIN_TIMEOUT: '5s',
      BODY_IDLE_TIMEOUT: '5s',
    },
    // Few calls are cheap to simulate; some mistakes show only among many.
    rate: given.rate ?? world.pick([1, 1, 2, 5]),
  }
  const real = given.replicas !== undefined
  const acts = actsOf(random, { ...plan, real })
  const others = randomOf(seeded(hashOf(`${seed} others`)))
  if (real || !others.chance(0.4)) return { ...plan, acts }
  const held = heldBy(others, plan)
  return { ...plan, acts: [...acts, ...held].sort((one, other) => one.at - other.at) }
}

type Scene = Pick<Plan, 'duration' | 'replicas' | 'shared'>

function actsOf(random: Random, scene: Scene & { readonly real: boolean }): Act[] {
  const acts: Act[] = []
  // Few kinds in one seed, so that the same kind meets itself.
  const together = scene.replicas > 1 && !scene.shared
  const kinds = KINDS.filter(
    ({ store, single }) => (scene.shared || store !== true) && !(together && single === true),
  )
  const liked = Array.from({ length: random.between(3, 8) }, () => random.pick(kinds as [Kind]))
  // Each of two processes with one `STATE_DIR` would try as often as if it were alone.
  if (together) liked.push(WRONG_FILE)
  let at = random.between(500, 8000)
  let secretUntil = 0
  while (at < scene.duration) {
    const kind = random.chance(0.85) ? random.pick(liked as [Kind]) : random.pick(kinds as [Kind])
    const made = kind
      .make(random, at, () => random.between(0, scene.replicas - 1))
      .filter((act) => !(scene.real && isOfMachine(act)))
    // Half of a changed secret must not meet the other half of another change.
    if (kind.secret !== true || at > secretUntil) acts.push(...made)
    if (kind.secret === true && at > secretUntil) secretUntil = at + 60_000
    at += random.chance(0.3) ? random.between(50, 800) : random.between(1000, 12_000)
  }
  return acts.sort((one, other) => one.at - other.at)
}

/** What a client that misbehaves does. */
function heldBy(random: Random, { duration, replicas }: Scene): Act[] {
  const at = random.between(5000, duration)
  const holding = random.pick(['idle', 'half-sent', 'ahead', 'ahead'] as const)
  const replica = random.between(0, replicas - 1)
  const act = { kind: 'hold', holding, replica, ms: random.between(3000, 5000) } as const
  if (holding !== 'ahead') return [{ at, ...act }]
  const slow = command(at, 'slow', { operation: 'business', ms: 1500, times: 10 })
  return [slow, { at: at + 1, ...act }]
}

interface Kind {
  /** `replica` draws one. */
  readonly make: (random: Random, at: number, replica: () => number) => readonly Act[]
  readonly store?: true
  /** Not where two processes have one `STATE_DIR`: their tokens end each other, or their dates differ. */
  readonly single?: true
  readonly secret?: true
}

const command = (at: number, name: string, input: Readonly<Record<string, unknown>> = {}): Act => ({
  at,
  kind: 'command',
  command: name,
  input,
})
const OPERATIONS = ['login', 'refresh', 'business', 'business'] as const
const LINKS = ['isales', 'isales', 'proxy', 'store'] as const

/** What befalls calls and token requests, of which no token dies. */
const FAULTS: readonly [Kind['make'], ...Kind['make'][]] = [
  (random, at) => [
    command(at, 'failLogin', { status: random.pick([500, 502, 503]), times: random.between(1, 3) }),
  ],
  (random, at) => [
    command(at, 'failLogin', { status: 429, retryAfter: random.between(1, 2), times: 1 }),
  ],
  (random, at) => [
    command(at, 'failLogin', {
      status: 404,
      contentType: 'text/html',
      body: 'default backend - 404',
      seconds: random.between(2, 6),
    }),
  ],
  (random, at) => [
    command(at, 'failRefresh', {
      status: random.pick([500, 503, 401]),
      times: random.between(1, 2),
    }),
  ],
  (random, at) => [
    command(at, 'html', { operation: random.pick(OPERATIONS), status: random.pick([200, 502]) }),
  ],
  (random, at) => [
    command(at, random.pick(['hugeBody', 'truncatedJson']), {
      operation: random.pick(['login', 'refresh']),
    }),
  ],
  (random, at) => [
    command(at, 'slow', {
      operation: random.pick(OPERATIONS),
      ms: random.between(200, 1500),
      times: random.between(1, 5),
    }),
  ],
  (random, at) => [command(at, 'hang', { operation: random.pick(OPERATIONS) })],
  (random, at) => [command(at, 'blackHole', { seconds: random.between(1, 5) })],
  (random, at) => [
    command(at, 'reset', {
      operation: random.pick(OPERATIONS),
      at: random.pick(['before-head', 'after-head', 'mid-body']),
      times: random.between(1, 3),
    }),
  ],
  (random, at) => [
    command(at, 'failBusiness', {
      status: random.pick([500, 503]),
      executed: random.chance(0.5),
      times: random.between(1, 3),
    }),
  ],
  (random, at) => [
    {
      at,
      kind: 'forbid',
      ms: random.pick([3000, 8000, 60_000]),
      status: random.pick([401, 403]),
      body: random.pick(['json', 'html', 'empty'] as const),
    },
  ],
  (_random, at) => [command(at, 'disconnect')],
  (random, at) => [{ at, kind: 'outage', ms: random.between(200, 3000) }],
  (_random, at) => [command(at, 'revokeRefresh')],
  (random, at) => [
    command(at, 'set', {
      tokenLifetime: random.between(2, 10),
      refreshLifetime: random.between(5, 60),
    }),
  ],
]

const WRONG_FILE: Kind = {
  make: (random, at) => [{ at, kind: 'wrong-file', ms: random.between(3000, 25_000) }],
  secret: true,
}

const CUT: Kind = {
  make: (random, at) => [
    {
      at,
      kind: 'cut',
      link: random.pick(LINKS),
      bytes: random.between(0, random.pick([40, 400, 4000])),
    },
  ],
}

/** What stands here twice is drawn twice as often. */
const KINDS: readonly Kind[] = [
  ...FAULTS.map((make) => ({ make })),
  { make: (_random, at) => [command(at, 'revoke')] },
  { make: (_random, at) => [command(at, 'revoke')] },
  { make: (random, at) => [command(at, 'revoke'), command(at + random.between(1, 300), 'revoke')] },
  {
    make: (random, at) => [
      { at, kind: 'jitter', ms: random.between(2000, 8000), most: random.between(50, 700) },
      command(at + random.between(500, 1500), 'revoke'),
    ],
  },
  { make: (random, at) => [{ at, kind: 'rush', ms: random.between(1000, 5000) }] },
  // A refused path puts rejections in doubt; then calls that were sent before a revocation are accepted behind the first one.
  {
    make: (random, at) => [
      { at, kind: 'forbid', ms: 3000, status: 401, body: 'json' },
      { at, kind: 'rush', ms: 9000 },
      { at: at + 3000, kind: 'jitter', ms: 6000, most: random.between(500, 1500) },
      command(at + random.between(4000, 5000), 'revoke'),
      command(at + random.between(6500, 7500), 'revoke'),
    ],
  },
  { make: (_random, at) => [{ at, kind: 'rival' }], single: true },
  {
    make: (random, at) => {
      const apart = random.pick([300, 1000, 4000])
      return [0, 1, 2, 3].map((nth): Act => ({ at: at + nth * apart, kind: 'rival' }))
    },
    single: true,
  },
  {
    make: (random, at) => [
      { at, kind: 'storm', ms: random.pick([300, 1000, 4000, 40_000, 40_000]) },
    ],
  },
  {
    make: (random, at) => [
      command(at, 'failBusiness', { status: random.pick([401, 403]), times: random.between(1, 5) }),
    ],
  },
  {
    make: (random, at) => [
      command(at, 'failLogin', {
        status: random.pick([401, 403, 500]),
        times: random.between(1, 2),
      }),
    ],
  },
  { make: (random, at) => [{ at, kind: 'outage', ms: random.between(1000, 25_000) }] },
  {
    make: (random, at, replica) => [
      { at, kind: 'freeze', replica: replica(), ms: random.between(200, 12_000) },
    ],
  },
  {
    make: (random, at, replica) => [
      { at, kind: 'kill', replica: replica(), ms: random.between(0, 4000) },
    ],
  },
  {
    make: (random, at, replica) => [
      command(at - 50, 'slow', { operation: 'business', ms: random.between(300, 1500), times: 3 }),
      { at, kind: 'terminate', replica: replica(), ms: random.between(0, 4000) },
    ],
  },
  { make: (_random, at, replica) => [{ at, kind: 'hang-up', replica: replica() }] },
  CUT,
  CUT,
  {
    make: (random, at) => [
      { at, kind: 'stall', link: random.pick(LINKS), ms: random.between(100, 4000) },
    ],
  },
  {
    make: (random, at) => [
      {
        at,
        kind: 'unreachable',
        link: random.pick(['isales', 'store']),
        ms: random.between(100, 8000),
      },
    ],
  },
  {
    make: (random, at) => [
      { at, kind: 'dns', ms: random.between(500, 8000), silent: random.chance(0.5) },
    ],
  },
  {
    make: (random, at, replica) => [
      {
        at,
        kind: 'date',
        replica: replica(),
        offset: random.pick([-86_400_000, -30_000, 30_000, 86_400_000]),
      },
    ],
    single: true,
  },
  ...(['disk-full', 'disk-stalled'] as const).map((kind): Kind => ({
    make: (random, at, replica) => [
      { at, kind, replica: replica(), ms: random.between(1000, 20_000) },
    ],
  })),
  {
    make: (random, at) => [
      {
        at,
        kind: 'rotate',
        first: random.pick(['isales', 'file']),
        gap: random.between(0, 25_000),
        ends: random.chance(0.5),
      },
    ],
    secret: true,
  },
  WRONG_FILE,
  ...(['store-killed', 'store-frozen', 'store-refuses'] as const).map((kind): Kind => ({
    make: (random, at) => [{ at, kind, ms: random.between(500, 8000) }],
    store: true,
  })),
  {
    make: (random, at, replica) => [
      {
        at,
        kind: 'crash-loop',
        replica: replica(),
        ms: random.between(4, 40),
        // The lock of a killed process ends after some seconds: a longer loop tries more often.
        times: random.chance(0.4) ? random.between(40, 50) : random.between(2, 8),
      },
    ],
    secret: true,
  },
  ...(['store-emptied', 'store-rolled-back', 'store-spoilt'] as const).map((kind): Kind => ({
    make: (_random, at) => [{ at, kind }],
    store: true,
  })),
]

/** That of the command, where it is one. */
export const nameOf = (act: Act): string => (act.kind === 'command' ? act.command : act.kind)

/** Milliseconds until it is over. */
export function lengthOf(act: Act): number {
  if (act.kind === 'crash-loop') return act.times * LOOP
  return 'ms' in act ? act.ms : 'gap' in act ? act.gap : 0
}

/** One line, for a person. */
export function actText(act: Act): string {
  const { at, kind: _kind, ...rest } = act
  const details = 'input' in rest ? rest.input : rest
  const shown = Object.entries(details).map(([key, value]) => `${key} ${String(value)}`)
  return `${(at / 1000).toFixed(3).padStart(8)} s  ${nameOf(act)} ${shown.join(', ')}`.trimEnd()
}
