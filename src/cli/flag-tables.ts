import type { Flags } from './flags.ts'

export const CHECK_FLAGS = {
  live: { type: 'boolean', doc: 'Log in to iSales once, and say in words what came of it' },
  health: {
    type: 'boolean',
    doc: 'Ask the proxy that runs here (ADMIN_LISTEN, /livez) instead; for HEALTHCHECK',
  },
} as const satisfies Flags

export const WAIT_FLAGS = {
  timeout: { type: 'string', value: '60s', doc: 'Give up after this time (default 60s)' },
} as const satisfies Flags
