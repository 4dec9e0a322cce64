// Findings that are certain: later changes repair some, and planted mistakes cause the others.

export type Known = Readonly<{
  property: string
  /** A fault of the seed, or a setting such as `bundle=expired`. */
  fault: string
  repairedBy: 'Innocent calls pass' | 'No client stops the others' | "The operator's night"
  /** Seeds that find it. A row that finds nothing in them fails the run. */
  seeds: readonly number[]
}>

/** Seeds of CI, which take less than two minutes. */
export const CI_SEEDS = [6, 8, 15, 17, 63, 103, 120, 134]

export const KNOWN: readonly Known[] = []

/** Texts of the built program that are replaced, with the property and the seeds that find it. */
// oxfmt-ignore
export const PLANTED = [
  { name: 'healthy-below-half', property: 'lost', seeds: [289], from: 'lost:.05', to: 'lost:.5' },
  { name: 'causes-reversed', property: 'cause', seeds: [343, 584], from: '].sort((one,other)=>rankOf', to: '].reverse().sort((one,other)=>rankOf' },
] as const
