// Starting, watching and stopping what is measured, and reading what it cost from /proc.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, readdirSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** nginx run by root would make its worker somebody who can't read the temporary directory. */
export const NGINX_USER = process.getuid?.() === 0 ? 'user root;' : ''

/** A port of 127.0.0.1 that nobody listens on at this moment. */
export const freePort = async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/**
 * Runs a command in the foreground, held on one core by taskset (which execs, so that the pid is the command's own).
 * Its output goes to `${dir}/${name}.out` and `.err`.
 */
export const start = ({ name, command, env = {}, dir, core }) => {
  const out = openSync(join(dir, `${name}.out`), 'w')
  const err = openSync(join(dir, `${name}.err`), 'w')
  const child = spawn('taskset', ['-c', String(core), ...command], {
    cwd: dir,
    env: { PATH: process.env.PATH, HOME: dir, ...env },
    stdio: ['ignore', out, err],
  })
  closeSync(out)
  closeSync(err)
  const ended = once(child, 'exit').catch(() => undefined)
  const lastWords = () => readFileSync(join(dir, `${name}.err`), 'utf8').slice(-2000)

  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    const killer = setTimeout(() => child.kill('SIGKILL'), 3000)
    await ended
    clearTimeout(killer)
  }
  const gone = () => child.exitCode !== null || child.signalCode !== null
  return { name, pid: child.pid, stop, gone, lastWords }
}

/**
 * Posts again and again until the answer is 200 with a body that `isRight` takes; resolves to that body and the ms since
 * `begin`. Throws with the process's last words when it ends first or takes over 10 s.
 */
export const firstAnswer = async ({
  running,
  port,
  path,
  headers = {},
  body = '{}',
  isRight,
  begin = performance.now(),
}) => {
  for (;;) {
    const said = await ask({ port, path, headers, body })
    const ms = performance.now() - begin
    if (isRight(said)) return { ms, body: said }
    if (running.gone()) throw new Error(`${running.name} ended early: ${running.lastWords()}`)
    if (ms > 10_000)
      throw new Error(
        `${running.name} gave no right answer within 10 s, but: ${said.slice(0, 300)}`,
      )
    await sleep(1)
  }
}

/** The body of a 200 answer to a small POST; else what went wrong. */
const ask = ({ port, path, headers, body }) =>
  new Promise((resolve) => {
    const options = { host: '127.0.0.1', port, path, method: 'POST', agent: false, timeout: 5000 }
    const asked = request({
      ...options,
      headers: { 'content-type': 'application/json', 'content-length': body.length, ...headers },
    })
    asked.once('error', (error) => resolve(error.message))
    asked.once('timeout', () => asked.destroy(new Error('no answer within 5 s')))
    asked.once('response', (response) => {
      const chunks = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.once('error', (error) => resolve(error.message))
      response.once('end', () => {
        const said = Buffer.concat(chunks).toString('latin1')
        resolve(response.statusCode === 200 ? said : `${response.statusCode} ${said}`)
      })
    })
    asked.end(body)
  })

// proc(5): the command's name is in parentheses and may hold spaces, so fields are counted after the last one.
const stat = (pid) => {
  const line = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return line.slice(line.lastIndexOf(')') + 2).split(' ')
}

/** A process and its descendants (nginx's worker is a child of its master). */
const family = (pid) => {
  const children = new Map()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      const parent = Number(stat(entry)[1])
      children.set(parent, [...(children.get(parent) ?? []), Number(entry)])
    } catch {
      // It ended between the listing and the reading.
    }
  }
  const all = [pid]
  for (const member of all) all.push(...(children.get(member) ?? []))
  return all
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0)

/** CPU time that a process, its threads and its descendants have used, in ms (utime + stime of /proc/PID/stat). */
export const cpuMs = ({ pid }) => {
  const ticks = family(pid).map((member) => Number(stat(member)[11]) + Number(stat(member)[12]))
  return (sum(ticks) * 1000) / TICKS_PER_SECOND
}

const statusKb = (pid, field) =>
  Number(
    new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1],
  )

/** Resident memory now, in MB, descendants included. */
export const rssMb = ({ pid }) => sum(family(pid).map((member) => statusKb(member, 'VmRSS'))) / 1024

/** The most that was ever resident, in MB, descendants included. */
export const peakMb = ({ pid }) =>
  sum(family(pid).map((member) => statusKb(member, 'VmHWM'))) / 1024
