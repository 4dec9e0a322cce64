import { execFile } from 'node:child_process'
import type { Environment } from '../config/index.ts'
import { ListenError } from '../listener/index.ts'
import type { Io } from './io.ts'

/**
 * Tells systemd how the service is doing, see sd_notify(3). Node has no Unix datagram sockets, so each message is sent by
 * `systemd-notify`, which comes with systemd and ends when systemd has read it. The unit needs `NotifyAccess=all`. A
 * message that cannot be sent is not an error.
 *
 * @param env `NOTIFY_SOCKET` and `WATCHDOG_USEC` come from systemd. Without the first, nothing is sent.
 */
export function createNotifier({ NOTIFY_SOCKET, PATH, WATCHDOG_USEC }: Environment) {
  const send = (...message: readonly string[]): Promise<void> =>
    new Promise((resolve) => {
      if (NOTIFY_SOCKET === undefined) return resolve()
      execFile('systemd-notify', message, { env: { NOTIFY_SOCKET, PATH } }, () => resolve())
    })
  let watchdog: NodeJS.Timeout | undefined
  return {
    ready(): void {
      void send('READY=1')
      // Half of the time that systemd waits, as sd_watchdog_enabled(3) recommends.
      const interval = Number(WATCHDOG_USEC) / 2000
      if (interval > 0) watchdog = setInterval(() => void send('WATCHDOG=1'), interval).unref()
    },
    /** Also ends the watchdog messages. */
    stopping(): void {
      clearInterval(watchdog)
      void send('STOPPING=1')
    },
    /** `systemctl status` shows the sentence. Resolves when systemd has it. */
    failed: (sentence: string): Promise<void> => send(`STATUS=${sentence}`),
  }
}

/** The first descriptor that systemd passes. */
const FIRST_SOCKET = 3

/**
 * The socket of LISTEN that systemd has opened, see sd_listen_fds(3); a socket unit of the service names one.
 *
 * @throws ListenError when there are several.
 */
export function passedSocket({ env, pid }: Pick<Io, 'env' | 'pid'>): number | undefined {
  // Variables of another process may have been inherited.
  const count = env['LISTEN_PID'] === String(pid) ? Number(env['LISTEN_FDS']) : 0
  if (count > 1) {
    const why = { code: 'socket-several', facts: [['sockets', count]] } as const
    throw new ListenError('LISTEN', why, true)
  }
  return count === 1 ? FIRST_SOCKET : undefined
}
