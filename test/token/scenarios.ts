// What rejections, replicas and callers make of the account, in virtual time. The bounds are what the rules are worth:
// a rule that is taken out breaks one of them.
import { openScenario, type ScenarioWorld, type WorldOptions } from './scenario-world.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND

export interface Scenario {
  readonly world?: WorldOptions
  /** Sets up what happens. @returns when it ends. */
  readonly play: (world: ScenarioWorld) => number
  /** Token requests before are not counted. Default: 0. */
  readonly from?: number
  /** The most of each. */
  readonly most: Partial<Record<'bad' | 'badFor' | 'requests' | 'perMinute' | 'conflicts', number>>
}

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'a rival logs in each second for an hour': {
    world: { singleSession: true },
    play(world) {
      world.traffic('ordinary', 250, 60 * MINUTE)
      world.repeat(SECOND, 60 * MINUTE, world.login)
      return 60 * MINUTE
    },
    most: { bad: 18, perMinute: 40 },
  },
  'a rival logs in each 4 s for half an hour': {
    world: { singleSession: true },
    play(world) {
      world.traffic('ordinary', 250, 30 * MINUTE)
      world.repeat(4 * SECOND, 30 * MINUTE, world.login)
      return 30 * MINUTE
    },
    most: { bad: 0, perMinute: 17 },
  },
  'three replicas with a shared store lose the session each 20 s': {
    world: { replicas: 3, shared: true },
    play(world) {
      world.traffic('ordinary', 500, 5 * MINUTE)
      world.repeat(20 * SECOND, 5 * MINUTE, world.endSessions)
      return 5 * MINUTE
    },
    most: { bad: 0, perMinute: 7 },
  },
  'three replicas with a shared store lose the session each minute, and a login takes 5.5 s': {
    world: { replicas: 3, shared: true, singleSession: true, loginTakes: 5500 },
    play(world) {
      world.traffic('ordinary', 500, 10 * MINUTE)
      world.repeat(MINUTE, 10 * MINUTE, world.endSessions)
      return 10 * MINUTE
    },
    most: { bad: 185, requests: 10, perMinute: 2 },
  },
  'three replicas with a shared store lose the token each second': {
    world: { replicas: 3, shared: true },
    play(world) {
      world.traffic('ordinary', 500, 5 * MINUTE)
      world.repeat(SECOND, 5 * MINUTE, world.endTokens)
      return 5 * MINUTE
    },
    most: { bad: 25, perMinute: 40 },
  },
  'the second of two nodes learns of each token 2 s late': {
    world: { nodeLag: 2 * SECOND, tokenLifetime: 20 },
    play(world) {
      world.traffic('ordinary', 250, 10 * MINUTE)
      return 10 * MINUTE
    },
    most: { bad: 108, perMinute: 6 },
  },
  'calls that iSales answers without a look at the token speak for one that has ended': {
    play(world) {
      world.traffic('ordinary', 500, 5 * MINUTE)
      world.at(20 * SECOND, () => world.traffic('refused', SECOND, 24 * SECOND))
      world.at(30 * SECOND, world.endSessions)
      world.at(30 * SECOND, () => world.traffic('public', 225, 5 * MINUTE))
      return 5 * MINUTE
    },
    most: { bad: 44, badFor: 30 * SECOND, perMinute: 6 },
  },
  'iSales refuses all for a minute, and then ends the token': {
    play(world) {
      world.traffic('ordinary', 500, 5 * MINUTE)
      world.at(MINUTE, () => (world.isales.refusesAll = true))
      world.at(2 * MINUTE, () => (world.isales.refusesAll = false))
      world.at(2 * MINUTE + 20 * SECOND, world.endSessions)
      return 5 * MINUTE
    },
    most: { badFor: MINUTE, perMinute: 8 },
  },
  'iSales ends the session, and fails each login for a minute': {
    play(world) {
      world.traffic('ordinary', 500, 5 * MINUTE)
      world.at(MINUTE, world.endSessions)
      world.at(MINUTE, () => (world.isales.failsLogins = true))
      world.at(2 * MINUTE, () => (world.isales.failsLogins = false))
      return 5 * MINUTE
    },
    most: { badFor: 90 * SECOND, perMinute: 10 },
  },
  'an edition without the interface refuses each call from the start, for ten minutes': {
    world: { refusesAll: true },
    play(world) {
      world.traffic('ordinary', SECOND, 10 * MINUTE)
      return 10 * MINUTE
    },
    most: { requests: 26 },
  },
  'iSales refuses all for ten minutes, after it has accepted calls': {
    play(world) {
      world.traffic('ordinary', SECOND, 11 * MINUTE)
      world.at(MINUTE, () => (world.isales.refusesAll = true))
      return 11 * MINUTE
    },
    from: MINUTE,
    most: { requests: 62, perMinute: 8 },
  },
  'three replicas without a store fight for one session': {
    world: { replicas: 3, singleSession: true },
    play(world) {
      world.traffic('ordinary', 250, 20 * MINUTE)
      return 20 * MINUTE
    },
    most: { bad: 65, perMinute: 40 },
  },
  'one client hangs up whatever it calls, beside calls of others': {
    play(world) {
      world.traffic('ordinary', 500, 5 * MINUTE)
      world.traffic('refused', 100, 5 * MINUTE, 600)
      world.traffic('ordinary', 100, 5 * MINUTE, 100)
      world.at(2 * MINUTE, world.endSessions)
      return 5 * MINUTE
    },
    most: { bad: 1, perMinute: 5 },
  },
  'iSales refuses one path beside calls of others': {
    play(world) {
      world.traffic('ordinary', 500, 10 * MINUTE)
      world.traffic('refused', SECOND, 10 * MINUTE)
      return 10 * MINUTE
    },
    most: { bad: 0, perMinute: 8 },
  },
  'iSales refuses one path for a minute beside good calls': {
    play(world) {
      world.traffic('ordinary', 250, 3 * MINUTE)
      world.at(MINUTE, () => world.traffic('refused', SECOND, 2 * MINUTE))
      return 3 * MINUTE
    },
    from: MINUTE,
    most: { bad: 0, requests: 3 },
  },
  'iSales refuses paths of 20 calls a second, and few others come': {
    play(world) {
      world.traffic('ordinary', 3 * SECOND, 5 * MINUTE)
      world.traffic('refused', 50, 5 * MINUTE)
      return 5 * MINUTE
    },
    most: { bad: 0, perMinute: 8 },
  },
  'our own renewals end the token of calls in flight': {
    world: { refreshEndsOld: true, singleSession: true, callTakes: 400 },
    play(world) {
      world.traffic('ordinary', 200, 5 * MINUTE)
      world.traffic('refused', SECOND, 5 * MINUTE)
      return 5 * MINUTE
    },
    most: { bad: 0, perMinute: 16, conflicts: 0 },
  },
  'iSales ends the session each half minute, and a login takes 2.4 s': {
    world: { loginTakes: 2400 },
    play(world) {
      world.traffic('ordinary', 500, 10 * MINUTE)
      world.repeat(30 * SECOND, 10 * MINUTE, world.endSessions)
      return 10 * MINUTE
    },
    most: { bad: 0, perMinute: 4 },
  },
}

/** What has come of it, and what is more than its bounds. */
export async function played({ world: options, play, from, most }: Scenario) {
  const world = openScenario(options)
  const result = await world.result(play(world), from)
  const over = Object.entries(most).filter(
    ([what, bound]) => result[what as keyof typeof most] > bound,
  )
  return { ...result, over }
}

export async function isWithin(scenario: Scenario): Promise<boolean> {
  return (await played(scenario)).over.length === 0
}
