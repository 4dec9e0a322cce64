// Run by build.mjs in a process of its own: code-cache.mjs <program>. Starts the program as main.ts does, between a
// client and a simulated iSales, and saves what V8 had compiled when the first business call was answered.
import { request } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { loadProgram, nodeOf } from '../src/code-cache.ts'
import { createSimulator, INTERFACE_PATHS } from '../src/simulator/index.ts'

/** Milliseconds. */
const TIMEOUT = 30_000
const BODY_BYTES = 700

async function makeCache(file: string): Promise<void> {
  const sim = await createSimulator()
  const socket = join(process.cwd(), 'proxy.sock')
  Object.assign(process.env, {
    ISALES_URL: sim.origin,
    ISALES_USER: sim.switches.user,
    ISALES_PASSWORD: sim.switches.password,
    LISTEN: `unix:${socket}`,
    ADMIN_LISTEN: '127.0.0.1:0',
    LOG_FORMAT: 'json',
  })
  // The program reads the command line, too.
  process.argv.splice(2)
  const program = loadProgram(file, nodeOf(process))
  program.run(createRequire(file))
  await firstAnswer(socket)
  program.saveCache()
  if (!loadProgram(file, nodeOf(process)).cached) throw new Error('V8 refuses its own cache')
}

async function firstAnswer(socketPath: string): Promise<void> {
  const deadline = performance.now() + TIMEOUT
  for (;;) {
    const outcome = await post(socketPath).catch((error: Error) => error.message)
    if (outcome === 200) return
    if (performance.now() > deadline) throw new Error(`no call was answered: ${outcome}`)
    await delay(5)
  }
}

function post(socketPath: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { host: 'localhost', 'content-type': 'application/json' }
    const call = { method: 'POST', path: INTERFACE_PATHS.getTask, headers }
    const asked = request({ ...call, socketPath, timeout: TIMEOUT })
    asked.on('timeout', () => asked.destroy(new Error('no answer in time')))
    asked.on('error', reject)
    asked.on('response', (response) => {
      response.on('error', reject).on('end', () => resolve(response.statusCode))
      response.resume()
    })
    asked.end(JSON.stringify({ subCCNo: 1, vdnId: 1 }).padEnd(BODY_BYTES))
  })
}

// The program takes errors that nobody caught for its own, and tells no more of them than their name.
try {
  await makeCache(process.argv[2] ?? '')
  process.exit(0)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}
