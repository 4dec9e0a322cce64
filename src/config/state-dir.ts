import { join } from 'node:path'

/** The files in `STATE_DIR`. */

/** How often iSales refused which credentials. */
export function refusalsFile(directory: string): string {
  return join(directory, 'refusals.json')
}

/** The command `renew` writes it, and the running proxy logs in when it has changed. */
export function renewFile(directory: string): string {
  return join(directory, 'renew')
}
