import { writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'node:tls'
import { expect, inject, it, onTestFinished } from 'vitest'
import { createSimulator, LOGIN_PATH } from '../../simulator/index.ts'
import { makeCertificates } from '../support/certificates.ts'
import { until } from '../support/until.ts'
import { ciValues, render } from './support/chart.ts'
import { listening, startDaemon } from './support/daemon.ts'
import { environment, podOf, proxyIn } from './support/pod.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const TASKS = LOGIN_PATH.replace('auth/login', 'business/tasks')
const HOST = 'isales-proxy.example'
/** How long a Service goes on sending to a pod that has said that it is not ready. */
const LAG = 2000
const certificates = makeCertificates()

/** The environment that the chart gives to a stand-alone proxy, with addresses and files of this machine. */
const prepare = async (origin: string): Promise<Record<string, string>> => {
  const home = temporaryDirectory()
  const files = {
    user: 'obs',
    password: 'simulated-password',
    'obs-user': 'cti',
    'obs-password': 'local-password',
    'tls.crt': certificates.server.cert,
    'tls.key': certificates.server.key,
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(home, name), text)
  const given = environment(proxyIn(podOf(await render(ciValues('standalone')))))
  const here = { ISALES_URL: origin, LISTEN: '127.0.0.1:0', ADMIN_LISTEN: '127.0.0.1:0' }
  const settings = Object.entries(given).map(([name, value = '']) => [
    name,
    value.replace(/^\/run\/isales\/\w+/, home),
  ])
  return { ...(Object.fromEntries(settings) as Record<string, string>), ...here }
}

const startReplica = async (env: Record<string, string>) => {
  const daemon = startDaemon(process.execPath, [join(inject('program'), 'main.js')], env)
  onTestFinished(async () => void (await daemon.stop()))
  const [, address = ''] = await daemon.find(listening('proxy'))
  const [, admin = ''] = await daemon.find(listening('admin'))
  const isReady = () =>
    fetch(`${admin}/readyz`).then(
      (response) => response.ok,
      () => false,
    )
  await until(isReady, 10_000)
  return { ...daemon, port: Number(new URL(address).port), isReady }
}

it('an update of the stand-alone proxy, with the settings of the chart, loses no call and no login under load', async () => {
  const simulator = await createSimulator({ switches: { latency: 20 } })
  onTestFinished(() => simulator.close())
  const env = await prepare(simulator.origin)
  const old = [await startReplica(env), await startReplica(env)]
  /** The ports that the Service sends new connections to. */
  const endpoints = new Set(old.map(({ port }) => port))
  /** Responses that sent their client away. */
  let farewells = 0

  /** Connections are kept, as by any client; a new one goes to any endpoint, as a Service sends it. */
  const agent = new Agent({ keepAlive: true, maxSockets: 40 })
  agent.createConnection = () => {
    const ports = [...endpoints]
    const port = ports[Math.floor(Math.random() * ports.length)] ?? 0
    return connect({ host: '127.0.0.1', port, servername: 'localhost', ca: certificates.ca.cert })
  }
  const post = (path: string, body: unknown, more = {}) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const headers = { host: HOST, 'content-type': 'application/json', ...more }
      const sent = request({ method: 'POST', path, headers, agent }, (response) => {
        let text = ''
        if (response.headers.connection === 'close') farewells += 1
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
        response.on('error', reject)
      })
      sent.on('error', reject)
      sent.end(JSON.stringify(body))
    })
  const login = await post(LOGIN_PATH, { user: 'cti', passwd: 'local-password' })
  const { resultData } = JSON.parse(login.text) as { resultData: { token: string } }
  const authorization = `Bearer ${resultData.token}`

  const outcomes = new Map<string, number>()
  const update = new AbortController()
  const client = async () => {
    while (!update.signal.aborted) {
      const outcome = await post(TASKS, { subCCNo: 1, vdnId: 1 }, { authorization }).then(
        ({ status }) => String(status),
        (error: NodeJS.ErrnoException) => error.code ?? error.message,
      )
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      await delay(Math.random() * 100)
    }
  }
  const clients = Array.from({ length: 40 }, client)
  for (const replica of old) {
    endpoints.add((await startReplica(env)).port)
    // What kubelet and the Service do: SIGTERM, and the endpoint goes some time after the probe has failed.
    const ended = replica.stop()
    await until(async () => !(await replica.isReady()), 3000)
    await delay(LAG)
    endpoints.delete(replica.port)
    expect(await ended).toBe(0)
    await replica.find(/"event":"stopped".*"inFlight":0/)
  }
  await delay(500)
  update.abort()
  await Promise.all(clients)
  expect(farewells).toBeGreaterThan(10)
  expect([...outcomes.keys()]).toEqual(['200'])
  expect(outcomes.get('200')).toBeGreaterThan(500)
})
