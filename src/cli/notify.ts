import { execFile } from 'node:child_process'
import type { Environment } from '../config/load.ts'

/** Tells systemd how the service is doing, see sd_notify(3). */
export interface Notifier {
  ready(): void
  /** Ends the watchdog messages, too. */
  stopping(): void
}

const SILENT: Notifier = { ready() {}, stopping() {} }

/**
 * Node has no Unix datagram sockets, so each message is sent by `systemd-notify`, which comes with
 * systemd. The unit needs `NotifyAccess=all`. A message that cannot be sent is no reason to fail.
 *
 * @param env `NOTIFY_SOCKET` and `WATCHDOG_USEC` come from systemd. Without the first, nothing is sent.
 */
export function createNotifier(env: Environment): Notifier {
  const { NOTIFY_SOCKET, PATH, WATCHDOG_USEC } = env
  if (NOTIFY_SOCKET === undefined) return SILENT
  const send = (message: string): void => {
    execFile('systemd-notify', [message], { env: { NOTIFY_SOCKET, PATH } }, () => undefined)
  }
  let watchdog: NodeJS.Timeout | undefined
  return {
    ready() {
      send('READY=1')
      // Half of the time that systemd waits, as sd_watchdog_enabled(3) recommends.
      const interval = Number(WATCHDOG_USEC) / 2000
      if (interval > 0) watchdog = setInterval(() => send('WATCHDOG=1'), interval).unref()
    },
    stopping() {
      clearInterval(watchdog)
      send('STOPPING=1')
    },
  }
}
