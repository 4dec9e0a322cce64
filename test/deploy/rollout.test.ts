import { rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSimulator, LOGIN_PATH, type Simulator } from '../../simulator/index.ts'
import { makeCertificates } from '../support/certificates.ts'
import { until } from '../support/until.ts'
import { ciFile, render } from './support/chart.ts'
import { listening, startDaemon, type Daemon } from './support/daemon.ts'
import { ofKind, podSpec } from './support/manifests.ts'
import { succeed } from './support/run.ts'
import { newest } from './support/tools.ts'
import { temporaryDirectory } from '../support/temporary.ts'

const helm = (await newest())?.helm ?? ''
const TASKS = LOGIN_PATH.replace('auth/login', 'business/tasks')
const HOST = 'isales-proxy.example'
/** How long a Service goes on sending to a pod that has said that it is not ready. */
const LAG = 2000

interface Replica extends Daemon {
  readonly port: number
  readonly admin: string
}

describe.skipIf(helm === '')(
  'an update of the stand-alone proxy, with the settings of the chart',
  () => {
    let home = ''
    let simulator: Simulator
    let environment: Record<string, string> = {}
    const certificates = makeCertificates()
    const running = new Set<Replica>()
    /** The ports that the Service sends new connections to. */
    const endpoints = new Set<number>()
    /** Responses that sent their client away. */
    let farewells = 0

    beforeAll(async () => {
      await succeed('npm', ['run', '--silent', 'build'])
      simulator = await createSimulator({ switches: { latency: 20 } })
      home = temporaryDirectory()
      const files = {
        user: 'obs',
        password: 'simulated-password',
        'obs-user': 'cti',
        'obs-password': 'local-password',
        'tls.crt': certificates.server.cert,
        'tls.key': certificates.server.key,
      }
      for (const [name, text] of Object.entries(files)) await writeFile(join(home, name), text)
      const pod = podSpec(ofKind(await render(helm, ciFile('standalone')), 'Deployment')[0])
      const given = pod.containers[0]?.env ?? []
      environment = Object.fromEntries(
        given.map(({ name, value = '' }) => [name, value.replace(/^\/run\/isales\/\w+/, home)]),
      )
      Object.assign(environment, {
        ISALES_URL: simulator.origin,
        LISTEN: '127.0.0.1:0',
        ADMIN_LISTEN: '127.0.0.1:0',
      })
    })
    afterAll(async () => {
      for (const replica of running) await replica.stop()
      await simulator?.close()
      await rm(home, { recursive: true })
    })

    const startReplica = async (): Promise<Replica> => {
      const daemon = startDaemon(process.execPath, ['dist/main.js'], environment)
      const [, address = ''] = await daemon.find(listening('proxy'))
      const [, admin = ''] = await daemon.find(listening('admin'))
      const replica = { ...daemon, port: Number(new URL(address).port), admin }
      running.add(replica)
      await until(() => ready(replica), 10_000)
      endpoints.add(replica.port)
      return replica
    }
    const ready = async ({ admin }: Replica): Promise<boolean> =>
      fetch(`${admin}/readyz`).then(
        (response) => response.ok,
        () => false,
      )

    /** What kubelet and the Service do: SIGTERM immediately, and the endpoint goes some time after the probe has failed. */
    const terminate = async (replica: Replica): Promise<number | null> => {
      running.delete(replica)
      const ended = replica.stop()
      await until(async () => !(await ready(replica)), 3000)
      await delay(LAG)
      endpoints.delete(replica.port)
      return ended
    }

    /** Connections are kept, as by any client; a new one goes to any endpoint, as a Service sends it. */
    const agent = new Agent({ keepAlive: true, maxSockets: 40 })
    agent.createConnection = () => {
      const ports = [...endpoints]
      const port = ports[Math.floor(Math.random() * ports.length)] ?? 0
      return connect({ host: '127.0.0.1', port, servername: 'localhost', ca: certificates.ca.cert })
    }
    const post = (path: string, body: unknown, ticket = '') =>
      new Promise<{ status: number; text: string }>((resolve, reject) => {
        const headers = {
          host: HOST,
          'content-type': 'application/json',
          ...(ticket === '' ? {} : { authorization: `Bearer ${ticket}` }),
        }
        const sent = request({ method: 'POST', path, headers, agent }, (response) => {
          let text = ''
          if (response.headers.connection === 'close') farewells += 1
          response.setEncoding('utf8')
          response.on('data', (chunk: string) => (text += chunk))
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
          response.on('error', reject)
        })
        sent.on('error', reject)
        sent.end(JSON.stringify(body))
      })

    it('loses no call and no login of CTI-OBS, while both pods are replaced under load', async () => {
      const old = [await startReplica(), await startReplica()]
      const login = await post(LOGIN_PATH, { user: 'cti', passwd: 'local-password' })
      expect(login.status).toBe(200)
      const { resultData } = JSON.parse(login.text) as { resultData: { token: string } }

      const outcomes = new Map<string, number>()
      const update = new AbortController()
      const client = async () => {
        while (!update.signal.aborted) {
          const outcome = await post(TASKS, { subCCNo: 1, vdnId: 1 }, resultData.token).then(
            (response) => String(response.status),
            (error: NodeJS.ErrnoException) => error.code ?? error.message,
          )
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
          await delay(Math.random() * 100)
        }
      }
      const clients = Array.from({ length: 40 }, client)
      const codes: (number | null)[] = []
      for (const replica of old) {
        await startReplica()
        codes.push(await terminate(replica))
      }
      await delay(500)
      update.abort()
      await Promise.all(clients)

      expect(codes).toEqual([0, 0])
      expect(farewells).toBeGreaterThan(10)
      expect([...outcomes.keys()]).toEqual(['200'])
      expect(outcomes.get('200')).toBeGreaterThan(500)
      for (const replica of old) expect(replica.lines.at(-1)).toContain('"inFlight":0')
    })
  },
)
