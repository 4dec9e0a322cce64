import { inject } from 'vitest'
import type { Certificates } from './global-setup.ts'

export type { Certificates }

/** Returns the certificates of the run. */
export const makeCertificates = (): Certificates => inject('certificates')
