// Seeds that are played by name.

/** Seeds of CI, which take less than two minutes. */
export const CI_SEEDS = [6, 8, 15, 17, 63, 103, 120, 134]

/** Replaced texts below `src/`, with the property and the seeds that find each mistake. */
// oxfmt-ignore
export const PLANTED = [
  { name: 'healthy-below-half', property: 'lost', seeds: [289], file: 'admin/accounting.ts', from: 'lost: 0.05', to: 'lost: 0.5' },
  { name: 'causes-reversed', property: 'cause', seeds: [343], file: 'admin/diagnosis.ts', from: '].sort((one, other) => rankOf', to: '].reverse().sort((one, other) => rankOf' },
] as const
