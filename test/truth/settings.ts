// Everything that a seed decides: the settings of a run and its faults.
import { UsageError } from '../support/command-line.ts'
import { hashOf, randomOf, seeded } from '../simulation/loop.ts'
import { AWAITED } from './awaited.ts'
import { FAULTS, type Fault } from './faults.ts'

/** Every setting with its values. */
// oxfmt-ignore
const VALUES = {
  /** Protocol of the listener, and of the connection to iSales. */
  listener: ['plain', 'tls'], isales: ['plain', 'tls'],
  /** Calls per second, and the number of clients that share them. */
  rate: ['20', '40'], clients: ['8', '16'], connections: ['kept', 'new', 'mixed'],
  /** Milliseconds after which iSales responds, methods of calls, and seconds that a token lives. */
  latency: ['0', '5', '40'], methods: ['mixed', 'mixed', 'POST'], life: ['3600', '60', '6'],
  deadline: ['2.8s', '2s', '4s'], refresh: ['on', 'off'], attempts: ['3', '1'],
  /** Whether CTI-OBS has to log in. */
  login: ['open', 'required'],
  /** Authorities that verify iSales: `expired` adds one that has expired. */
  bundle: ['sound', 'expired'],
} as const

type Settings = Readonly<Record<keyof typeof VALUES, string>>
/** A fault with the percentage of the calls or token requests that meet it. */
export type ActiveFault = Fault & Readonly<{ name: string; fraction: number }>
export type Plan = Readonly<{ seed: number; settings: Settings; faults: readonly ActiveFault[] }>
/** The plan's faults happen while it is active; clients send until it is over. */
export type Stage = { readonly plan: Plan; active: boolean; over: boolean }

const groupsOf = ({ group, name }: ActiveFault): readonly string[] => (group ?? name).split(' ')
/** A seed has at most one of these, drawn after the others. */
const RARE = ['over-limit', 'password-file', 'obs-password-file', 'renew']
const COMMON = Object.keys(FAULTS).filter((name) => !RARE.includes(name))
const FRACTIONS = [5, 8, 12, 20, 35, 50, 70, 90, 100] as const

/**
 * Returns the plan of a seed; given faults and settings replace what it draws.
 *
 * @throws {UsageError} that says what exists.
 */
export function planOf(seed: number, given: { faults?: string; settings?: string } = {}): Plan {
  const random = (what: string) => randomOf(seeded(hashOf(`truth ${seed} ${what}`)))
  const draw = random('faults')
  const picked = Array.from({ length: draw.between(1, 3) }, () => draw.pick(COMMON))
  const rare = random('rare')
  if (rare.chance(0.3)) picked.push(rare.pick(RARE))
  // Refreshes that also fail now and then are what a refused login is mistaken for.
  const drawn = picked.flatMap((name) => (name.startsWith('login') ? [name, 'refresh-502'] : name))
  const faults: ActiveFault[] = []
  const needs = settingsOf(given.settings ?? '')
  for (const text of given.faults === undefined ? drawn : listOf(given.faults)) {
    const fault = faultNamed(text, () => draw.pick(FRACTIONS))
    const own = Object.entries(fault.needs ?? {})
    const isAlone = !faults.flatMap(groupsOf).some((group) => groupsOf(fault).includes(group))
    // A drawn fault that does not go with an earlier one is left out.
    const isAwaited = given.faults === undefined && AWAITED.faults.includes(fault.name)
    if (isAlone && !isAwaited && own.every(([key, value]) => (needs[key] ?? value) === value))
      Object.assign(needs, fault.needs, void faults.push(fault))
    else if (given.faults !== undefined)
      throw new UsageError(`${text} needs ${own.join(' ') || 'nothing'}, and no other of its kind`)
  }
  const set = random('settings')
  const values = Object.entries(VALUES).map(([name, all]) => [name, set.pick<string>(all)])
  const settings = { ...(Object.fromEntries(values) as Settings), ...needs }
  // Authorities verify TLS only.
  const bundle = settings.isales === 'tls' ? settings.bundle : 'sound'
  return { seed, settings: { ...settings, bundle }, faults }
}

const listOf = (text: string): readonly string[] => text.split(',').filter(Boolean)

function faultNamed(text: string, draw: () => number): ActiveFault {
  const [name = '', share] = text.split(':')
  const fault = Object.hasOwn(FAULTS, name) ? FAULTS[name] : undefined
  if (fault === undefined)
    throw new UsageError(`No fault ${name}. Faults: ${Object.keys(FAULTS).join(', ')}`)
  const fraction = share === undefined ? (fault.fraction ?? draw()) : Number(share)
  if (fraction >= 1 && fraction <= 100) return { ...fault, name, fraction }
  throw new UsageError(`No fraction ${share}. Fractions: 1 to 100, as in ${name}:35`)
}

function settingsOf(text: string): Record<string, string> {
  const values: Readonly<Record<string, readonly string[]>> = VALUES
  const settings: Record<string, string> = {}
  for (const [name = '', value = ''] of listOf(text).map((pair) => pair.split('='))) {
    if (Object.hasOwn(values, name) && values[name]?.includes(value)) settings[name] = value
    else throw new UsageError(`No setting ${name}=${value}. Settings: ${JSON.stringify(VALUES)}`)
  }
  return settings
}

export function planText({ seed, settings, faults }: Plan): string {
  const met = faults.map(({ name, fraction }) => `${name}:${fraction}`)
  const set = Object.entries(settings).map((pair) => pair.join('='))
  return `--seed=${seed} --faults=${met.join()} --settings=${set.join()}`
}

export const isPosted = ({ settings }: Plan, number: number): boolean =>
  settings.methods === 'POST' || number % 2 === 0

/** Returns the fault of these sides that a request meets: the first one whose share contains its number. Half: every POST. */
export function faultOf({ plan, active }: Stage, number: number, ...sides: Fault['side'][]) {
  const isPost = isPosted(plan, number)
  return plan.faults.find(({ side, name, fraction, misdeed }) => {
    // The proxy takes a refused GET for a stranger's.
    if (!active || !sides.includes(side) || (misdeed?.kind === 'request' && !isPost)) return false
    return fraction === 50
      ? number % 2 === 0
      : hashOf(`${plan.seed} ${name} ${number}`) % 100 < fraction
  })
}
