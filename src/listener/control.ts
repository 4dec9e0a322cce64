import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { makeDirectory } from '../config/files.ts'
import { parseObject } from '../http/json.ts'
import { listen } from './address.ts'

/** How a login ended that an operator asked for. */
export interface RenewOutcome {
  /** `failed`: no verdict of iSales on user and password. `held`: iSales was not asked. */
  readonly outcome: 'granted' | 'refused' | 'failed' | 'held'
  /** The account was guarded when it was asked for. */
  readonly guarded: boolean
  /** Of the token. */
  readonly lifetimeSeconds?: number
  /** Why there is none, as in `isales_proxy_auth_failures_total`. */
  readonly reason?: string
  readonly retryInSeconds?: number
}

/** What is written to the socket. A connection alone asks for nothing: who looks whether it is in use makes one. */
const RENEW = 'renew\n'
/** Each waits for a login. */
const MAX_CONNECTIONS = 8

/** Of the running proxy; only its own user, and root, can connect. */
function socketOf(stateDir: string): string {
  return join(stateDir, 'control.sock')
}

/**
 * Lets the command `renew` reach this process, by a Unix socket in `STATE_DIR`. A signal would need the process id, which
 * may be of another process by now, a file nobody who reads it, and the admin listener changes nothing.
 *
 * @throws when the directory cannot be written to, or the socket is in use.
 */
export async function openControl(stateDir: string, renew: () => Promise<RenewOutcome>) {
  makeDirectory(stateDir)
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.setEncoding('utf8').once('data', (line) => {
      if (String(line) !== RENEW) return socket.destroy()
      return void renew().then((outcome) => socket.end(`${JSON.stringify(outcome)}\n`))
    })
  })
  server.maxConnections = MAX_CONNECTIONS
  // A machine out of descriptors or memory fails an accept: that connection is lost, not the process.
  server.on('error', () => undefined)
  await listen(server, 'STATE_DIR', { kind: 'unix', path: socketOf(stateDir) }, 0o600)
  return {
    close(): void {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/**
 * Asks the proxy with this `STATE_DIR` for a login, and waits for its end.
 *
 * @returns undefined: it ended before the login did.
 * @throws an error with a `code` when no proxy listens.
 */
export async function askToRenew(
  stateDir: string,
  signal: AbortSignal,
): Promise<RenewOutcome | undefined> {
  const socket = connect({ path: socketOf(stateDir), signal })
  socket.write(RENEW)
  const outcome = parseObject(await text(socket))
  return outcome as RenewOutcome | undefined
}
