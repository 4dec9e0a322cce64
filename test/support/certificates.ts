import { inject } from 'vitest'
import type { Certificates } from './global-setup.ts'

export type { Certificates }

/** The same for every test of a run. */
export const makeCertificates = (): Certificates => inject('certificates')
