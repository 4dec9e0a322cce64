import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inject } from 'vitest'
import {
  createSimulator,
  INTERFACE_PATHS,
  type Simulator,
  type SimulatorOptions,
} from '../../../simulator/index.ts'
import { call, type CallResponse } from '../../support/call.ts'
import { temporaryDirectory } from '../../support/temporary.ts'
import { listening, startDaemon, type Daemon } from './daemon.ts'
import { startMonitoring, type Monitoring } from './prometheus.ts'

/** The built program before a simulated iSales, watched by a real Prometheus with a real Alertmanager. */
export interface Watched {
  readonly simulator: Simulator
  readonly proxy: Daemon
  /** URL of the admin listener. */
  readonly admin: string
  readonly monitoring: Monitoring
  /** One business call through the proxy. */
  readonly ask: () => Promise<CallResponse>
  readonly setPassword: (password: string) => Promise<void>
  readonly stop: () => Promise<void>
}

export const startWatched = async (options: SimulatorOptions = {}): Promise<Watched> => {
  const home = temporaryDirectory()
  const setPassword = (password: string) => writeFile(join(home, 'password'), password)
  await writeFile(join(home, 'user'), 'obs')
  await setPassword('simulated-password')
  const simulator = await createSimulator(options)
  const proxy = startDaemon(process.execPath, [join(inject('program'), 'main.js')], {
    ISALES_URL: simulator.origin,
    ISALES_USER_FILE: join(home, 'user'),
    ISALES_PASSWORD_FILE: join(home, 'password'),
    LISTEN: '127.0.0.1:0',
    ADMIN_LISTEN: '127.0.0.1:0',
  })
  const [, address = ''] = await proxy.find(listening('proxy'))
  const [, admin = ''] = await proxy.find(listening('admin'))
  const monitoring = await startMonitoring(new URL(admin).host)
  return {
    simulator,
    proxy,
    admin,
    monitoring,
    ask: () =>
      call(address + INTERFACE_PATHS.getTask, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"subCCNo":1,"vdnId":1}',
      }),
    setPassword,
    async stop() {
      await monitoring.stop()
      await proxy.stop()
      await simulator.close()
      await rm(home, { recursive: true })
    },
  }
}
