import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createAccounts, type AccountCounts } from './accounts.ts'
import { createBusiness } from './business.ts'
import { createCommands, type Commands } from './commands.ts'
import { createControl } from './control.ts'
import { createDelivery } from './delivery.ts'
import { createExchange, type AttemptCounts } from './exchange.ts'
import { createFaults } from './faults.ts'
import { createLedger, type Ledger, type LedgerCounts } from './ledger.ts'
import { listen, openListener, type SimulatorTls } from './listener.ts'
import { checkSwitches, DEFAULT_SWITCHES, type Switches } from './switches.ts'

export type { SimulatorTls, Switches }
export { BASE_PATH, INTERFACE_PATHS } from './business.ts'
export { BAD_TOKENS, type BadToken } from './commands.ts'
export { LOGIN_PATH, REFRESH_PATH } from './exchange.ts'
export { ECHO_PATH, UPLOAD_PATH } from './streams.ts'

export interface SimulatorOptions {
  readonly switches?: Partial<Switches>
  /** HTTPS instead of HTTP. */
  readonly tls?: SimulatorTls
  /** Default 0: a free one. */
  readonly port?: number
  /** Default 0: a free one. */
  readonly controlPort?: number
  /** Milliseconds; tokens age by it. Default: the monotonic clock. */
  readonly now?: () => number
}

export interface SimulatorState extends AccountCounts, AttemptCounts, LedgerCounts {
  /** Tokens that were good when they were revoked, all in all. */
  readonly revoked: number
  /** Requests that ended before they were answered whole: given up by the client, or cut by a fault. */
  readonly aborted: number
  /** Calls that hang now. */
  readonly hanging: number
  readonly faultsWaiting: number
  /** Open now. */
  readonly sockets: number
  /** Accepted since the start. */
  readonly connections: number
}

/** An iSales, on loopback. Loses everything when it is closed. */
export interface Simulator
  extends Commands, Pick<Ledger, 'requests' | 'executions' | 'handedOut' | 'results'> {
  /** `http://127.0.0.1:<port>`, or https. */
  readonly origin: string
  readonly port: number
  /** `http://127.0.0.1:<port>/control`. */
  readonly controlUrl: string
  readonly switches: Switches
  state(): SimulatorState
  /** Every token and refresh token handed out, the newest 10,000. */
  issued(): readonly string[]
  close(): Promise<void>
}

/** Starts an iSales that behaves as published, with every unknown a switch and every fault a command. */
export async function createSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { tls, now = () => performance.now() } = options
  let current: Switches = { ...DEFAULT_SWITCHES, ...checkSwitches({ ...options.switches }) }
  const switches = () => current
  const accounts = createAccounts({ switches, now })
  const faults = createFaults()
  const ledger = createLedger()
  const delivery = createDelivery()
  const attempts = { loginAttempts: 0, refreshAttempts: 0, underWay: 0, mostAtOnce: 0 }
  let aborted = 0
  let revoked = 0

  const business = createBusiness({ ledger, origin: () => (current.absoluteUrls ? origin : '') })
  const answer = createExchange({
    switches,
    accounts,
    faults,
    ledger,
    business,
    delivery,
    attempts,
  })

  function handle(request: IncomingMessage, response: ServerResponse): void {
    response.once('close', () => {
      if (!response.writableFinished) aborted += 1
    })
    // Only a client that went away gets here: nothing is left to answer.
    answer(request, response).catch(() => response.destroy())
  }

  const listener = await openListener(handle, { tls, port: options.port ?? 0 })
  listener.setKeepAlive(current.keepAlive)
  const origin = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${listener.port}`

  const commands = createCommands({
    accounts,
    faults,
    delivery,
    listener,
    change(changes) {
      current = { ...current, ...changes }
      listener.setKeepAlive(current.keepAlive)
    },
  })
  const withCount: Commands = {
    ...commands,
    revoke() {
      const ended = commands.revoke()
      revoked += ended
      return ended
    },
  }

  const state = (): SimulatorState => ({
    ...accounts.counts,
    ...attempts,
    ...ledger.counts,
    revoked,
    aborted,
    hanging: delivery.held,
    faultsWaiting: faults.waiting(),
    sockets: listener.sockets.size,
    connections: listener.connections,
  })
  const { requests, executions, handedOut, results } = ledger
  const control = createControl({ commands: withCount, state, requests })
  const controlPort = await listen(control, options.controlPort ?? 0)

  return {
    ...withCount,
    requests,
    executions,
    handedOut,
    results,
    origin,
    port: listener.port,
    controlUrl: `http://127.0.0.1:${controlPort}/control`,
    get switches() {
      return current
    },
    state,
    issued: () => accounts.issued,
    async close() {
      const closed = once(control, 'close')
      control.close()
      control.closeAllConnections()
      await Promise.all([closed, listener.down()])
    },
  }
}
