// Calls iSales through a proxy as CTI-OBS does, until the file exists. Prints the outcomes of the calls as JSON:
// tsx traffic.ts <url> <file>
// Half of the callers open a connection for each call; the others keep their connection.
import { existsSync } from 'node:fs'
import { Agent } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { INTERFACE_PATHS } from '../../../simulator/index.ts'
import { call } from '../../support/call.ts'

const [url = '', stop = ''] = process.argv.slice(2)
const outcomes: Record<string, number> = {}
let slowest = 0

/** Resolves with the status, or with the code of the error. */
const ask = (agent: Agent): Promise<string> => {
  const headers = { 'content-type': 'application/json' }
  const body = '{"subCCNo":1,"vdnId":1}'
  return call(url + INTERFACE_PATHS.getTask, { agent, method: 'POST', headers, body }).then(
    ({ status }) => String(status),
    (error: NodeJS.ErrnoException) => error.code ?? error.message,
  )
}

const caller = async (keepAlive: boolean): Promise<void> => {
  const agent = new Agent({ keepAlive, maxSockets: 1 })
  while (!existsSync(stop)) {
    const began = performance.now()
    const outcome = `${keepAlive ? 'kept' : 'new'} ${await ask(agent)}`
    slowest = Math.max(slowest, performance.now() - began)
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    await delay(10)
  }
  agent.destroy()
}

await Promise.all([true, true, false, false].map(caller))
process.stdout.write(JSON.stringify({ outcomes, slowest: Math.round(slowest) }))
