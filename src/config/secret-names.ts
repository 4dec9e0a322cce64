/** The variables that hold, or may hold, a secret: deleted from the environment of the process once it was read. */
export const SECRET_NAMES = [
  'ISALES_PASSWORD',
  'OBS_PASSWORD',
  'OBS_TICKET_KEY',
  'HTTPS_PROXY',
  'https_proxy',
] as const
