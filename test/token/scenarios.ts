// Rejections, replicas and callers of one account in virtual time. The bounds show the value of the rules: without a rule,
// one of them breaks.
import { openScenario, type ScenarioWorld, type WorldOptions } from './scenario-world.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND

export interface Scenario {
  readonly world: WorldOptions
  readonly play?: (world: ScenarioWorld) => void
  /** Earlier token requests do not count. Default: 0. */
  readonly from?: number
  readonly most: Partial<Record<'bad' | 'badFor' | 'requests' | 'perMinute' | 'conflicts', number>>
}

const SHARING = { replicas: 3, shared: true }

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'another client logs in every second for an hour': {
    world: { minutes: 60, calls: 250, singleSession: true },
    play: (world) => world.repeat(SECOND, world.login),
    most: { bad: 18, perMinute: 40 },
  },
  'another client logs in every 4 s for half an hour': {
    world: { minutes: 30, calls: 250, singleSession: true },
    play: (world) => world.repeat(4 * SECOND, world.login),
    most: { bad: 0, perMinute: 17 },
  },
  'three replicas with a shared store lose the session every 20 s': {
    world: { ...SHARING, minutes: 5, calls: 500 },
    play: (world) => world.repeat(20 * SECOND, world.endSessions),
    most: { bad: 0, perMinute: 7 },
  },
  'three replicas with a shared store lose the session every minute, and a login takes 5.5 s': {
    world: { ...SHARING, minutes: 10, calls: 500, singleSession: true, loginTakes: 5500 },
    play: (world) => world.repeat(MINUTE, world.endSessions),
    most: { bad: 185, requests: 10, perMinute: 2 },
  },
  'three replicas with a shared store lose the token every second': {
    world: { ...SHARING, minutes: 5, calls: 500 },
    play: (world) => world.repeat(SECOND, world.endTokens),
    most: { bad: 25, perMinute: 40 },
  },
  'the second of two nodes learns of each token 2 s late': {
    world: { minutes: 10, calls: 250, nodeLag: 2 * SECOND, tokenLifetime: 20 },
    most: { bad: 108, perMinute: 6 },
  },
  'calls that iSales accepts without checking the token seem to confirm one that has ended': {
    world: { minutes: 5, calls: 500 },
    play(world) {
      world.at(20 * SECOND, () => world.traffic('refused', SECOND, 24 * SECOND))
      world.at(30 * SECOND, world.endSessions)
      world.at(30 * SECOND, () => world.traffic('public', 225))
    },
    most: { bad: 44, badFor: 30 * SECOND, perMinute: 6 },
  },
  'iSales rejects all calls for a minute, and then ends the token': {
    world: { minutes: 5, calls: 500 },
    play(world) {
      world.at(MINUTE, () => (world.isales.refusesAll = true))
      world.at(2 * MINUTE, () => (world.isales.refusesAll = false))
      world.at(2 * MINUTE + 20 * SECOND, world.endSessions)
    },
    most: { badFor: MINUTE, perMinute: 8 },
  },
  'iSales ends the session, and fails all logins for a minute': {
    world: { minutes: 5, calls: 500 },
    play(world) {
      world.at(MINUTE, world.endSessions)
      world.at(MINUTE, () => (world.isales.failsLogins = true))
      world.at(2 * MINUTE, () => (world.isales.failsLogins = false))
    },
    most: { badFor: 90 * SECOND, perMinute: 10 },
  },
  'an edition without the interface rejects all calls from the start, for ten minutes': {
    world: { minutes: 10, calls: SECOND, refusesAll: true },
    most: { requests: 26 },
  },
  'iSales rejects all calls for ten minutes, after it has accepted calls': {
    world: { minutes: 11, calls: SECOND },
    from: MINUTE,
    play: (world) => world.at(MINUTE, () => (world.isales.refusesAll = true)),
    most: { requests: 62, perMinute: 8 },
  },
  'three replicas without a store fight for one session': {
    world: { minutes: 20, calls: 250, replicas: 3, singleSession: true },
    most: { bad: 65, perMinute: 40 },
  },
  'one client hangs up all its calls, next to calls of others': {
    world: { minutes: 5, calls: 500 },
    play(world) {
      world.traffic('refused', 100, 5 * MINUTE, 600)
      world.traffic('ordinary', 100, 5 * MINUTE, 100)
      world.at(2 * MINUTE, world.endSessions)
    },
    most: { bad: 1, perMinute: 5 },
  },
  'iSales rejects one path next to calls of others': {
    world: { minutes: 10, calls: 500 },
    play: (world) => world.traffic('refused', SECOND),
    most: { bad: 0, perMinute: 8 },
  },
  'iSales rejects one path for a minute next to good calls': {
    world: { minutes: 3, calls: 250 },
    from: MINUTE,
    play: (world) => world.at(MINUTE, () => world.traffic('refused', SECOND, 2 * MINUTE)),
    most: { bad: 0, requests: 3 },
  },
  'iSales rejects paths of 20 calls per second, next to few others': {
    world: { minutes: 5, calls: 3 * SECOND },
    play: (world) => world.traffic('refused', 50),
    most: { bad: 0, perMinute: 8 },
  },
  "the proxy's own renewals end the token of calls in flight": {
    world: { minutes: 5, calls: 200, refreshEndsOld: true, singleSession: true, callTakes: 400 },
    play: (world) => world.traffic('refused', SECOND),
    most: { bad: 0, perMinute: 16, conflicts: 0 },
  },
  'iSales ends the session every half minute, and a login takes 2.4 s': {
    world: { minutes: 10, calls: 500, loginTakes: 2400 },
    play: (world) => world.repeat(30 * SECOND, world.endSessions),
    most: { bad: 0, perMinute: 4 },
  },
}

/** Returns the result, and the figures that exceed their bounds. */
export async function played({ world: options, play, from, most }: Scenario) {
  const world = openScenario(options)
  play?.(world)
  const result = await world.result(from)
  const over = Object.entries(most).filter(
    ([name, bound]) => result[name as keyof typeof most] > bound,
  )
  return { ...result, over }
}

export async function isWithin(scenario: Scenario): Promise<boolean> {
  return (await played(scenario)).over.length === 0
}
