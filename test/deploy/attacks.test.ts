// Guarantee 6, as memory: clients that make the proxy hold much, each attacker in a process of its own. The program runs in a
// container on the image's Node, and the kernel kills it above the container's memory.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest'
import { createSimulator, INTERFACE_PATHS } from '../../simulator/index.ts'
import { attack } from '../support/attack.ts'
import { makeCertificates } from '../support/certificates.ts'
import { freePort } from '../support/free-port.ts'
import { connectRaw, requestText } from '../support/raw-client.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { until } from '../support/until.ts'
import { clientOf, settingsFor } from '../support/world.ts'
import { createContainers, type Containers } from './support/containers.ts'
import { listening } from './support/daemon.ts'
import { ROOT } from './support/run.ts'
import { lacks } from './support/tools.ts'

const [, IMAGE = ''] = /^ARG RUN_IMAGE=(.+)$/m.exec(readFileSync(`${ROOT}Dockerfile`, 'utf8')) ?? []
const CALL = requestText(`POST ${INTERFACE_PATHS.getTask} HTTP/1.1`, ['Host: localhost'], '{}')

describe.skipIf(await lacks('buildah', 'podman', 'runc'))('with little memory', () => {
  let containers: Containers
  const { ca, server, client } = makeCertificates()
  const home = temporaryDirectory()

  beforeAll(async () => {
    containers = await createContainers('run')
    const files = { 'ca.pem': ca.cert, 'cert.pem': server.cert, 'key.pem': server.key }
    for (const [name, text] of Object.entries(files)) writeFileSync(join(home, name), text)
    chmodSync(home, 0o755) // for user 65532
  })
  afterAll(() => containers?.remove())

  /** Starts the built program with this memory and these settings. */
  const startProxy = async (
    name: string,
    memory: string,
    env: Readonly<Record<string, string>>,
  ) => {
    const sim = await createSimulator()
    onTestFinished(() => sim.close())
    const admin = `127.0.0.1:${await freePort()}`
    const settings = Object.entries({ ...settingsFor(sim), ADMIN_LISTEN: admin, ...env })
    const volumes = [`--volume=${inject('program')}:/app:ro`, `--volume=${home}:/certificates:ro`]
    const limits = [`--memory=${memory}`, `--memory-swap=${memory}`]
    const flags = settings.map(([key, value]) => `--env=${key}=${value}`)
    const how = ['--detach', '--pull=never', '--network=host', `--name=${name}`]
    await containers.podman('run', ...how, ...volumes, ...limits, ...flags, IMAGE, '/app/main.js')
    const logs = () => containers.podman('logs', name)
    const [, proxy = ''] = await until(async () => listening('proxy').exec(await logs()))
    const world = clientOf({ proxy, admin: `http://${admin}` })
    await until(async () => (await logs()).includes('"logged-in"'))
    const state = ['inspect', name, '--format={{.State.Status}} {{.State.OOMKilled}}'] as const
    return {
      ...world,
      sim,
      port: Number(new URL(proxy).port),
      state: async () => (await containers.podman(...state)).trim(),
    }
  }

  it('192 MiB hold 1,000 half-sent client certificates, and half of the other clients connect within 2 s', async () => {
    const world = await startProxy('handshakes', '192m', {
      LISTEN_TLS_CERT_FILE: '/certificates/cert.pem',
      LISTEN_TLS_KEY_FILE: '/certificates/key.pem',
      LISTEN_CLIENT_CA_FILE: '/certificates/ca.pem',
    })
    const tls = { ca: ca.cert, cert: client.cert, key: client.key }
    const stop = await attack('half-certificate', world.port, 1000)
    const took: number[] = []
    for (let n = 0; n < 7; n += 1) {
      await delay(200)
      const startedAt = performance.now()
      const another = await connectRaw({ port: world.port, tls })
      took.push(performance.now() - startedAt)
      await another.send(CALL)
      expect((await another.read()).status).toBe(200)
    }
    stop()
    expect(took.toSorted((one, other) => one - other)[3]).toBeLessThan(2000)
    const cut = await world.metric(
      'isales_proxy_requests_total{outcome="stray",cause="overloaded"}',
    )
    expect(cut).toBeGreaterThan(1000)
    expect(await world.state()).toBe('running false')
  })

  it.each([
    ['by default', {}],
    ['of 256', { MAX_IN_FLIGHT: '256' }],
  ])(
    '220 MiB hold 1,000 slow calls with heads sent ahead, with MAX_IN_FLIGHT %s',
    async (name, env) => {
      const world = await startProxy(`ahead${name.length}`, '220m', env)
      world.sim.set({ latency: 2500 })
      const stop = await attack('heads-ahead', world.port, 1000)
      await delay(10_000)
      stop()
      world.sim.set({ latency: 0 })
      await until(async () => (await world.tasks()).status === 200)
      expect(await world.metric('isales_proxy_requests_total{cause="pipelined"}')).toBeGreaterThan(
        1000,
      )
      expect(await world.state()).toBe('running false')
    },
  )
})
