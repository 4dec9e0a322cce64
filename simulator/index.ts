import { createAccounts, type AccountState } from './accounts.ts'
import { BASE_PATH, createBusiness } from './business.ts'
import { createCommands, type Commands } from './commands.ts'
import { createFaults } from './faults.ts'
import { createLedger, type BusinessRecord, type Ledger, type LedgerCounts } from './ledger.ts'
import { openControl, openServer, type SimulatorTls } from './server.ts'
import { createService, type SeenRequest, type ServiceState } from './service.ts'
import { changeSwitches, type Switches } from './switches.ts'

export type { SeenRequest, SimulatorTls, Switches }
export { BASE_PATH, INTERFACE_PATHS, LOGIN_PATH, REFRESH_PATH } from './business.ts'
export { ECHO_PATH } from './streams.ts'

export interface SimulatorOptions {
  readonly switches?: Partial<Switches>
  /** HTTPS instead of HTTP. */
  readonly tls?: SimulatorTls
  /** Where both ports listen; default 127.0.0.1. */
  readonly host?: string
  /** Default 0: a free port. */
  readonly port?: number
  /** Default 0: a free port. */
  readonly controlPort?: number
  /** Milliseconds; tokens age by it. Default: the monotonic clock. */
  readonly now?: () => number
  /** Called with each request when its response has ended. */
  readonly onRequest?: (seen: SeenRequest) => void
  /** Called with each business call that is executed. */
  readonly onExecution?: (record: BusinessRecord) => void
}

export interface SimulatorState extends AccountState, ServiceState, LedgerCounts {
  readonly faultsWaiting: number
  /** Connections that are open now. */
  readonly sockets: number
  /** Connections accepted since the start. */
  readonly connections: number
}

/** A simulated iSales, without persistent state. */
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

/**
 * Starts an iSales that behaves as published, with every unknown a switch and every fault a
 * command.
 *
 * @throws {TypeError} if a switch has an invalid value.
 */
export async function createSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { tls, host = '127.0.0.1', now = () => performance.now() } = options
  let current = changeSwitches({}, options.switches ?? {})
  const switches = () => current
  const accounts = createAccounts({ switches, now })
  const faults = createFaults(now)
  const ledger = createLedger(options.onExecution)
  const nameOf = (path: string): string => {
    const { absoluteUrls, callsUnder } = current
    return `${absoluteUrls ? origin : ''}${path.replace(BASE_PATH, callsUnder ?? BASE_PATH)}`
  }
  const business = createBusiness({ ledger, nameOf })
  const { onRequest = () => undefined } = options
  const service = createService({ switches, accounts, faults, ledger, business, onRequest })
  const server = await openServer(
    (request, response) => {
      // A simulator with a clock of its own sends no date, because the machine's date is another clock.
      response.sendDate = options.now === undefined
      return service.handle(request, response)
    },
    { tls, host, port: options.port ?? 0 },
  )
  const urlHost = host.includes(':') ? `[${host}]` : host
  const origin = `${tls === undefined ? 'http' : 'https'}://${urlHost}:${server.port}`

  const commands = createCommands({
    accounts,
    faults,
    set(changes) {
      current = changeSwitches(current, changes)
    },
    release: () => service.release(),
    disconnect: () => server.disconnect(),
    down: () => server.down(),
    up: () => server.up(),
  })
  const state = (): SimulatorState => ({
    ...accounts.state(),
    ...service.state(),
    ...ledger.counts,
    faultsWaiting: faults.waiting(),
    sockets: server.sockets.size,
    connections: server.connections,
  })
  const { requests, executions, handedOut, results } = ledger
  const control = await openControl({
    host,
    port: options.controlPort ?? 0,
    commands,
    state,
    requests,
  }).catch(async (error: unknown) => {
    await server.down()
    throw error
  })

  return {
    ...commands,
    requests,
    executions,
    handedOut,
    results,
    origin,
    port: server.port,
    controlUrl: `http://${urlHost}:${control.port}/control`,
    get switches() {
      return current
    },
    state,
    issued: () => accounts.issued,
    async close() {
      await Promise.all([control.close(), server.down()])
    },
  }
}
