import { execFile } from 'node:child_process'
import type { Environment } from '../config/index.ts'
import { ListenError } from '../listener/index.ts'
import type { Io } from './io.ts'

/**
 * Reports the service's state to systemd, see sd_notify(3); never rejects. Node has no Unix datagram sockets, so `systemd-notify`
 * sends each message, and ends when systemd has read it. The unit needs `NotifyAccess=all`. Without NOTIFY_SOCKET, nothing is sent.
 */
export function createNotifier({ NOTIFY_SOCKET, PATH, WATCHDOG_USEC }: Environment) {
  const send = (message: string): Promise<void> =>
    new Promise((resolve) => {
      if (NOTIFY_SOCKET === undefined) return resolve()
      execFile('systemd-notify', [message], { env: { NOTIFY_SOCKET, PATH } }, () => resolve())
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
    /** Shows the sentence in `systemctl status`. Resolves when systemd has received it. */
    failed: (sentence: string): Promise<void> => send(`STATUS=${sentence}`),
  }
}

/** Returns the socket for LISTEN that systemd opened, see sd_listen_fds(3). @throws ListenError if there are several. */
export function passedSocket({ env, pid }: Pick<Io, 'env' | 'pid'>): number | undefined {
  // Variables may be inherited from another process.
  const count = env['LISTEN_PID'] === String(pid) ? Number(env['LISTEN_FDS']) : 0
  if (count > 1) {
    const facts = [['sockets', count]] as const
    throw new ListenError({ setting: 'LISTEN', code: 'socket-several', facts }, true)
  }
  // The first descriptor that systemd passes.
  return count === 1 ? 3 : undefined
}
