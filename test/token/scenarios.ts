// Rejections, replicas and callers of one account in virtual time. The bounds show the value of the rules.
import { openScenario, type ScenarioWorld, type WorldOptions } from './scenario-world.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND

export interface Scenario {
  readonly world: WorldOptions
  readonly play?: (world: ScenarioWorld) => void
  readonly most: Partial<Record<'bad' | 'badFor' | 'requests' | 'perMinute' | 'conflicts', number>>
}

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'another client logs in every second for 20 minutes': {
    world: { minutes: 20, calls: 250, singleSession: true },
    play: (world) => world.repeat(SECOND, world.login),
    most: { bad: 6, perMinute: 40 },
  },
  'three replicas with a shared store lose the session every minute, and a login takes 5.5 s': {
    world: { replicas: 3, minutes: 10, calls: 500, singleSession: true, loginTakes: 5500 },
    play: (world) => world.repeat(MINUTE, world.endSessions),
    most: { bad: 185, requests: 10, perMinute: 2 },
  },
  'three replicas with a shared store lose the token every second': {
    world: { replicas: 3, minutes: 5, calls: 500 },
    play: (world) => world.repeat(SECOND, world.endTokens),
    most: { bad: 25, perMinute: 40 },
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
}

/** Returns the result, and the figures that exceed their bounds. */
export async function played({ world: options, play, most }: Scenario) {
  const world = openScenario(options)
  play?.(world)
  const result = await world.result()
  const over = Object.entries(most).filter(
    ([name, bound]) => result[name as keyof typeof most] > bound,
  )
  return { ...result, over }
}

export async function isWithin(scenario: Scenario): Promise<boolean> {
  return (await played(scenario)).over.length === 0
}
