// What a seed decides: the world, what is done to it, and when. Acts, traffic and network draw from generators of their own,
// so that one act less changes nothing else.
import type { Config } from '../../src/config/settings.ts'
import { isOfMachine, lengthOf, type Act } from './acts.ts'
import { command, KINDS, WRONG_FILE, type Kind } from './kinds.ts'
import { hashOf, randomOf, seeded, type Random } from './loop.ts'
import { FEW_PLACES } from './others.ts'

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
  readonly config: Partial<Config>
  /** Calls a second, all in all. */
  readonly rate: number
  readonly acts: readonly Act[]
}

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
  const idle = randomOf(seeded(hashOf(`${seed} idle`)))
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
      ...(rejection === 'result' && { ISALES_REJECTED: '401,403,result=7' }),
      ...(world.chance(0.35) && { LOGIN_REJECTED_ATTEMPTS: '1' }),
      ...(idle.chance(0.2) && { TOKEN_IDLE_AFTER: `${idle.pick([10, 20])}s` }),
      MAX_IN_FLIGHT: '16',
    },
    config: {
      ...(world.chance(0.25) && { isalesMaxConnections: 2 }),
      ...FEW_PLACES,
      drainTimeout: 5000,
    },
    // Few calls are cheap to simulate; some mistakes show only among many.
    rate: given.rate ?? world.pick([1, 1, 2, 5]),
  }
  const real = given.replicas !== undefined
  const others = randomOf(seeded(hashOf(`${seed} others`)))
  const acts = [
    ...actsOf(random, { ...plan, real }),
    ...(real || !others.chance(0.4) ? [] : heldBy(others, plan)),
    ...('TOKEN_IDLE_AFTER' in plan.env ? quietBy(idle, plan) : []),
  ]
  return { ...plan, acts: acts.sort((one, other) => one.at - other.at) }
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
  // Replicas that know nothing of each other would each try as often as if it were alone.
  if (together || (scene.shared && random.chance(0.4))) liked.push(WRONG_FILE)
  let at = random.between(500, 8000)
  let secretUntil = 0
  while (at < scene.duration) {
    const kind = random.chance(0.85) ? random.pick(liked as [Kind]) : random.pick(kinds as [Kind])
    const made = kind
      .make(random, at, () => random.between(0, scene.replicas - 1))
      .filter((act) => !(scene.real && isOfMachine(act)))
    // Half of a changed secret must not meet the other half of another change.
    if (kind.secret !== true || at > secretUntil) acts.push(...made)
    if (kind.secret === true && at > secretUntil)
      secretUntil = Math.max(at + 60_000, ...made.map((act) => act.at + lengthOf(act)))
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

/** Long enough that a token is idle. */
function quietBy(random: Random, { duration }: Scene): Act[] {
  return [1, 2].map(() => {
    const at = random.between(5000, duration)
    return { at, kind: 'quiet', ms: random.between(15_000, 60_000) }
  })
}
