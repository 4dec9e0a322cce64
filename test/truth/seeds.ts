// Seeds that are played by name.

/** Seeds of CI, which take less than two minutes. */
export const CI_SEEDS = [6, 8, 15, 17, 63, 103, 120, 134]

/** Texts of the built program that are replaced, with the property and the seeds that find it. */
// oxfmt-ignore
export const PLANTED = [
  { name: 'healthy-below-half', property: 'lost', seeds: [289], from: 'lost:.05', to: 'lost:.5' },
  { name: 'causes-reversed', property: 'cause', seeds: [343], from: '].sort((one,other)=>rankOf', to: '].reverse().sort((one,other)=>rankOf' },
] as const
