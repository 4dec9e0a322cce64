// What is done to a world.
import type { Holding } from './others.ts'

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
  /** For `ms`, iSales serves most calls without a look at their token, and some of them come each 200 ms. */
  | { readonly kind: 'public'; readonly ms: number }
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
  /** For `ms`, no client calls. */
  | { readonly kind: 'quiet'; readonly ms: number }
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

/** Milliseconds between two starts in a loop. */
export const LOOP = 1000

/** Acts that end a token before its time. */
export const ENDS_TOKEN: ReadonlySet<string> = new Set(['revoke', 'rival', 'storm'])

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
