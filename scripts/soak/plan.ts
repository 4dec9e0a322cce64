/** One thing that is done to the proxy or to iSales; `at` in milliseconds from the start. */
export type Act = { readonly at: number } & (
  | {
      readonly kind: 'command'
      readonly command: string
      readonly input: Readonly<Record<string, unknown>>
    }
  /** The password changes, at iSales and in the mounted file. */
  | { readonly kind: 'rotate' }
  /** Another program logs in as the same user, and iSales allows one session. */
  | { readonly kind: 'rival' }
  /** For `ms`, iSales rejects every token, however new. */
  | { readonly kind: 'storm'; readonly ms: number }
  /** For `ms`, iSales rejects one path, whatever its token. */
  | { readonly kind: 'forbid'; readonly ms: number; readonly status: number; readonly body: string }
  /** The process of the proxy is stopped (SIGSTOP) for longer than the token lives. */
  | { readonly kind: 'freeze'; readonly ms: number }
  /** The proxy is restarted with a wrong password, which is corrected after `ms`. */
  | { readonly kind: 'restart'; readonly ms: number }
  /** The shared store is killed, or stopped (SIGSTOP), for `ms`; or emptied. */
  | { readonly kind: 'store-killed' | 'store-frozen' | 'store-emptied'; readonly ms: number }
)

/** Acts that end a token before its time. */
export const ENDS_TOKEN = ['revoke', 'rival', 'storm'] as const

/** The end of a run is calm, so that what is in flight can finish. */
const CALM = 6000
/** Fewer than three early ends in any minute: three are a conflict, with a hold-off. */
const APART = [35_000, 45_000] as const
/** After a conflict on purpose: the longest hold-off, and the minute in which early ends count. */
const AFTER_CONFLICT = [120_000, 130_000] as const
const RIVALS_APART = 4000
/**
 * A wrong password counts for 15 min at iSales, and five lock the account. A login between a change of the password and
 * that of the Secret has the wrong one, so a restart costs one or two and a change one: at most four in 15 min.
 */
const RESTARTS_APART = 960_000
const ROTATIONS_APART = 460_000
/** Half of the faults meet business calls: only those can be lost or doubled. */
const OPERATIONS = ['login', 'refresh', 'business', 'business'] as const
/** Milliseconds: a login after a token was ended, and until replicas have found a store that is back. */
const BEFORE_STORE_FAULT = 5000
const RECOVERY = 4000
const STORE_FAULTS = ['store-killed', 'store-frozen', 'store-emptied'] as const

/** Everything that will happen, decided by the seed alone; in order. */
export function plan(seed: number, duration: number): readonly Act[] {
  const random = createRandom(seed)
  const end = duration - CALM
  const acts = [...faults(random, end), ...earlyEnds(random, end), ...restarts(end)]
  return acts.sort((one, other) => one.at - other.at)
}

/**
 * The same for replicas that share a token of an account with one session. Tokens live so long that they bridge what
 * happens to the store. What befalls logins is left to the plan of one proxy: here iSales would have ended the session
 * before the reply was lost, and the store is what may fail.
 */
export function planForReplicas(seed: number, duration: number): readonly Act[] {
  const random = createRandom(seed)
  const acts = plan(seed, duration)
    .filter((act) => act.kind !== 'command' || isOfReplicas(act))
    .map((act): Act => {
      if (act.kind === 'freeze')
        return { at: act.at, kind: 'freeze', ms: random.between(3500, 6000) }
      if (lifeOf(act) === 0) return act
      const lives = { tokenLifetime: random.between(120, 180), refreshLifetime: 3600 }
      return command(act.at, 'set', lives)
    })
  const busy = acts.filter(keepsStore).map((act) => ({ from: act.at, to: act.at + lengthOf(act) }))
  let at = 8000
  while (at + 15_000 < duration) {
    const ms = random.between(1000, 5000)
    const [from, to] = [at - BEFORE_STORE_FAULT, at + ms + RECOVERY]
    const isFree = busy.every((span) => span.to < from || span.from > to)
    if (isFree) acts.push({ at, kind: random.pick(STORE_FAULTS), ms })
    at += isFree ? random.between(8000, 12_000) : 1000
  }
  return acts.sort((one, other) => one.at - other.at)
}

function isOfReplicas({ command: name, input }: Extract<Act, { kind: 'command' }>): boolean {
  const kept = ['set', 'revoke', 'revokeRefresh', 'failRefresh', 'failBusiness']
  return kept.includes(name) || input['operation'] === 'business'
}

/**
 * The store is not taken away meanwhile: without it each replica replaces a token that ended early by itself, and ends
 * that of the others. Nor while the acts stand still.
 */
function keepsStore(act: Act): boolean {
  const name = act.kind === 'command' ? act.command : act.kind
  return ['freeze', 'rotate', 'restart', ...ENDS_TOKEN].some((one) => one === name)
}

const lengthOf = (act: Act): number => ('ms' in act ? act.ms : 0)

/** In the first fifth of a run: the growth of memory is measured after it. */
function restarts(end: number): Act[] {
  const acts: Act[] = []
  for (let at = 4500; at + 3000 < end; at += RESTARTS_APART)
    acts.push({ at, kind: 'restart', ms: 2500 })
  return acts
}

/** Faults that no token dies of, every 1 to 4 s. What is down comes up, even after the end. */
function faults(random: Random, end: number): Act[] {
  const acts: Act[] = [lifetimes(random, 0)]
  let life = lifeOf(acts[0])
  let frozenAt = 0
  let rotatedAt = -Infinity
  for (let at = 2000; at < end; at += random.between(1000, 4000)) {
    const ms = life * 1000 + random.between(500, 1500)
    const due = at - frozenAt > 45_000 || (frozenAt === 0 && at > 15_000)
    if (due && at + ms < end) {
      acts.push({ at, kind: 'freeze', ms })
      frozenAt = at
      at += ms
      continue
    }
    const made = random.pick(KINDS)(random, at)
    if (made[0].kind === 'rotate') {
      if (at - rotatedAt < ROTATIONS_APART) continue
      rotatedAt = at
    }
    acts.push(...made)
    life = lifeOf(made[0]) || life
    at = made.at(-1)?.at ?? at
  }
  return acts
}

/** Revocations, storms and rivals in turn; now and then three rivals, which are a conflict. */
function earlyEnds(random: Random, end: number): Act[] {
  const acts: Act[] = []
  const turns = ['revoke', 'storm', 'rival', 'revoke', 'conflict'] as const
  let at = random.between(4000, 10_000)
  for (let turn = 0; at < end; turn += 1) {
    const kind = turns[turn % turns.length]
    if (kind === 'revoke') acts.push(command(at, 'revoke'))
    if (kind === 'storm') acts.push({ at, kind: 'storm', ms: random.between(300, 1200) })
    if (kind === 'rival') acts.push({ at, kind: 'rival' })
    if (kind === 'conflict') {
      for (const nth of [0, 1, 2]) acts.push({ at: at + nth * RIVALS_APART, kind: 'rival' })
    }
    const [min, max] = kind === 'conflict' ? AFTER_CONFLICT : APART
    at += random.between(min, max)
  }
  return acts.filter((act) => act.at < end)
}

type Make = (random: Random, at: number) => readonly [Act, ...Act[]]

/**
 * Never a login that is refused although the password is right: the proxy then rightly stops asking
 * for minutes. Never a refresh path that is not there: it would not be asked again for an hour.
 */
const KINDS: readonly [Make, ...Make[]] = [
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
    command(at, 'html', {
      operation: random.pick(OPERATIONS),
      status: random.pick([200, 502]),
    }),
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
      executed: random.pick([true, false]),
      times: random.between(1, 3),
    }),
  ],
  (random, at) => [
    {
      at,
      kind: 'forbid',
      ms: random.between(3000, 8000),
      status: random.pick([401, 403]),
      body: random.pick(['json', 'html', 'empty']),
    },
  ],
  (_random, at) => [command(at, 'disconnect')],
  (random, at) => [command(at, 'down'), command(at + random.between(200, 3000), 'up')],
  (_random, at) => [command(at, 'revokeRefresh')],
  (_random, at) => [{ at, kind: 'rotate' }],
  (random, at) => [lifetimes(random, at)],
  (random, at) => [lifetimes(random, at)],
]

function command(at: number, name: string, input: Readonly<Record<string, unknown>> = {}): Act {
  return { at, kind: 'command', command: name, input }
}

function lifetimes(random: Random, at: number): Act {
  return command(at, 'set', {
    tokenLifetime: random.between(2, 10),
    refreshLifetime: random.between(5, 60),
  })
}

/** Seconds; 0 when the act is about something else. */
function lifeOf(act: Act | undefined): number {
  return act?.kind === 'command' ? Number(act.input['tokenLifetime'] ?? 0) : 0
}

/** Numbers that a seed decides. */
interface Random {
  /** An integer from `min` to `max`, both included. */
  between(min: number, max: number): number
  pick<Value>(values: readonly [Value, ...Value[]]): Value
}

/** mulberry32: small, and good enough to choose faults with. */
function createRandom(seed: number): Random {
  let state = seed >>> 0
  function unit(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    between: (min, max) => min + Math.floor(unit() * (max - min + 1)),
    pick: (values) => values[Math.floor(unit() * values.length)] ?? values[0],
  }
}
