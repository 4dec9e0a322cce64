import type { Words } from '../words/index.ts'

/** Exit codes; part of the interface, for scripts and probes. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  unreachable: 4,
  notReady: 5,
} as const

/** As help and docs/configuration.md list them, by what `words` has of each. */
export const EXIT_CODES: readonly (readonly [code: string, meaning: keyof Words['exitCodes']])[] = [
  ...Object.entries(EXIT).map(([name, code]) => [`${code}`, name as keyof typeof EXIT] as const),
  ['130, 131, 140, 143', 'signal'],
]
