// Starts and stops measured processes, and reads their cost from /proc (proc(5)).
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

/** Milliseconds. */
const START_LIMIT = 10_000

/** Returns a port of 127.0.0.1 that is neither in use now nor assigned to outgoing connections. */
export const freePort = async () => {
  const port = 10_000 + Math.floor(Math.random() * 22_000)
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch (error) {
    if (error.code === 'EADDRINUSE') return freePort()
    throw error
  }
  server.close()
  await once(server, 'close')
  return port
}

/** Runs a command on one core; its output goes to files in `dir`. With `ipc`, it answers what `ask` sends. */
export const start = ({ name, command, env = {}, dir, core, ipc = false }) => {
  const [out, err] = ['out', 'err'].map((kind) => openSync(join(dir, `${name}.${kind}`), 'w'))
  // taskset executes the command in its own place, so that the pid is the command's.
  const child = spawn('taskset', ['-c', String(core), ...command], {
    cwd: dir,
    env: { PATH: process.env.PATH, HOME: dir, ...env },
    stdio: ['ignore', out, err, ...(ipc ? ['ipc'] : [])],
  })
  closeSync(out)
  closeSync(err)
  const ended = once(child, 'exit')
  return {
    name,
    pid: child.pid,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    async ask(message) {
      child.send(message)
      const [answer] = await once(child, 'message')
      return answer
    },
    errors: () => readFileSync(join(dir, `${name}.err`), 'utf8').slice(-2000),
    async stop() {
      child.kill('SIGTERM')
      const killer = setTimeout(() => child.kill('SIGKILL'), 3000)
      await ended
      clearTimeout(killer)
    },
  }
}

/**
 * Repeats a POST until the response is a 200 with this body, and resolves to the milliseconds since `begin`. Throws if
 * the process ends first or 10 s pass.
 */
export const firstResponse = async ({
  running,
  port,
  path,
  body,
  headers = {},
  begin = performance.now(),
}) => {
  for (;;) {
    const received = await post({ port, path, headers }).catch((error) => error.message)
    const ms = performance.now() - begin
    if (received === body) return ms
    if (running.hasEnded()) throw new Error(`${running.name} ended early: ${running.errors()}`)
    if (ms > START_LIMIT) throw new Error(`${running.name} does not respond: ${received}`)
    await sleep(1)
  }
}

const post = async (target) => {
  const options = { host: '127.0.0.1', method: 'POST', agent: false, timeout: 5000, ...target }
  const sent = request(options)
  sent.once('timeout', () => sent.destroy(new Error('no response within 5 s')))
  sent.setHeader('content-type', 'application/json')
  sent.end('{}')
  const [response] = await once(sent, 'response')
  const body = await text(response)
  return response.statusCode === 200 ? body : `${response.statusCode} ${body}`
}

/** CPU time that a process and its threads have used, in ms, to the microsecond (sched-stats in the kernel's docs). */
export const cpuMs = ({ pid }) => {
  const tasks = `/proc/${pid}/task`
  const onCpu = (task) => Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0])
  return readdirSync(tasks).reduce((sum, task) => sum + onCpu(task), 0) / 1e6
}

/** Resident memory now, in MB. */
export const rssMb = ({ pid }) =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024
