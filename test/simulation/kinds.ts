// The kinds of acts that a seed draws from.
import type { Act } from './acts.ts'
import type { Random } from './loop.ts'

export interface Kind {
  /** `replica` draws one. */
  readonly make: (random: Random, at: number, replica: () => number) => readonly Act[]
  readonly store?: true
  /** Not where two processes have one `STATE_DIR`: their tokens end each other, or their dates differ. */
  readonly single?: true
  readonly secret?: true
}

export const command = (
  at: number,
  name: string,
  input: Readonly<Record<string, unknown>> = {},
): Act => ({
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

export const WRONG_FILE: Kind = {
  make: (random, at) => [{ at, kind: 'wrong-file', ms: random.between(3000, 25_000) }],
  secret: true,
}

/** An operator who asks again and again, with the wrong password in the file. */
const WRONG_FILE_STORM: Kind = {
  make: (random, at, replica) => [
    { at, kind: 'wrong-file', ms: random.between(70_000, 130_000) },
    ...Array.from({ length: 18 }, (_, nth): Act => {
      return { at: at + 2000 + nth * 7000, kind: 'hang-up', replica: replica() }
    }),
  ],
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
export const KINDS: readonly Kind[] = [
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
  // Calls that iSales serves without a look at the token speak for one that has ended.
  {
    make: (_random, at) => [
      command(at, 'set', { tokenLifetime: 300 }),
      command(at, 'revoke'),
      { at: at + 2000, kind: 'forbid', ms: 4000, status: 401, body: 'json' },
      { at: at + 2000, kind: 'rush', ms: 4000 },
      { at: at + 2000, kind: 'public', ms: 50_000 },
      command(at + 8000, 'revoke'),
    ],
  },
  // Our own renewals end the token of calls in flight, which a newer one does not cure.
  {
    make: (random, at) => [
      command(at, 'set', { singleSession: true, refreshEndsOld: true }),
      command(at, 'slow', { operation: 'business', ms: random.between(200, 600), times: 200 }),
      { at, kind: 'forbid', ms: 40_000, status: 401, body: 'json' },
      { at, kind: 'rush', ms: 40_000 },
    ],
    single: true,
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
  {
    make: (_random, at, replica) => {
      const act = { kind: 'hang-up', replica: replica() } as const
      return Array.from({ length: 40 }, (_, nth): Act => ({ at: at + nth * 100, ...act }))
    },
  },
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
  WRONG_FILE_STORM,
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
