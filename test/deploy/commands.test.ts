// Runs every shell block of the documentation, or gives the reason why it cannot run. Addresses, ports and system
// directories are replaced by a scratch directory's; nothing else is.
import fs from 'node:fs'
import { join } from 'node:path'
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { createSimulator, type Simulator } from '../../simulator/index.ts'
import { blockOf, blocksOf, PAGES, read } from '../docs/pages.ts'
import { makeCertificates } from '../support/certificates.ts'
import { freePort } from '../support/free-port.ts'
import { temporaryDirectory } from '../support/temporary.ts'
import { admit, type Pod } from './support/admission.ts'
import { NAME } from './support/chart.ts'
import { startDaemon } from './support/daemon.ts'
import { ofKind, parseManifests } from './support/manifests.ts'
import { configure, environment as environmentOf, podOf, proxyIn } from './support/pod.ts'
import { unrestricted } from './support/pod.ts'
import { ROOT, succeed } from './support/run.ts'
import { newest } from './support/tools.ts'

const { scripts, version } = JSON.parse(read('package.json')) as {
  readonly scripts: Readonly<Record<string, string>>
  readonly version: string
}

type Block = readonly [page: string, start: string]

/** Blocks of English pages that are not run, with the reason. */
const NOT_RUN: readonly (readonly [...Block, string])[] = [
  ['README.md', 'npm ci', '.ci/run has these steps'],
  ['CONTRIBUTING.md', 'npm ci', '.ci/run has these steps'],
  ['docs/get-started.md', 'git clone', '.ci/run has these steps'],
  ['docs/dev/benchmarks.md', 'apt-get', 'a full run takes 8 minutes; .ci/run has a quick one'],
  ['docs/docker.md', '', 'no Docker; image.test.ts runs them with podman'],
  ['docs/vm.md', '', 'systemd.test.ts runs them on a machine with systemd'],
  ['docs/vm-advanced.md', '', 'systemd.test.ts also runs these'],
  ['docs/kubernetes.md', 'git clone', 'no network'],
  ['docs/kubernetes.md', 'docker buildx', 'no Docker; image.test.ts builds it with buildah'],
  ['docs/kubernetes-operating.md', 'kubectl get pods', 'no cluster'],
  ['SECURITY.md', 'signer=', 'release.test.ts runs it with a signer of its own'],
]

const scratch = temporaryDirectory()
const home = join(scratch, 'home')
const checkout = join(scratch, 'checkout')
const running: ReturnType<typeof startDaemon>[] = []
const ran: Block[] = []
let simulator: Simulator
const ports: Record<string, string> = {}
const environment: Record<string, string> = {}

/** Returns the block of a page that begins with `start`, with the replacements. */
function block(page: string, start: string): string {
  const text = blockOf([page], start)
  ran.push([page, start])
  const replaced = Object.entries({
    '--port 9400': `--port ${ports['9400']} --control-port ${ports['9401']}`,
    'npm run simulator -- --run': 'npm run simulator -- --port 0 --control-port 0 --run',
    'localhost:': '127.0.0.1:',
    'https://service.besclouds.com': simulator.origin,
    'ISALES_USER=obs01': 'ISALES_USER=obs',
    ' obs01 ': ' obs ',
    '/usr/local/bin/': `${scratch}/bin/`,
    '/opt/': `${scratch}/opt/`,
    '/etc/': `${scratch}/etc/`,
    'helm install': 'helm template',
    'helm upgrade --install': 'helm template',
  }).reduce((all, [from, to]) => all.replaceAll(from, to), text)
  const local = replaced.replaceAll(/(?<=127\.0\.0\.1:)\d+/g, (port) => ports[port] ?? port)
  return `set -euo pipefail\n${local}`
}

const run = (script: string, input = '') =>
  succeed('bash', ['-c', script], { cwd: checkout, env: environment, input })
const runBlock = (page: string, start: string, input = '') => run(block(page, start), input)

/** Output of the simulator when it listens, and of the program when it is ready. */
const SIMULATING = /^control +http/m
const SERVING = /"event":"logged-in"/

/** Starts a block whose last command keeps running, and waits for a line of its output. */
async function startBlock(script: string, line: RegExp): Promise<void> {
  const daemon = startDaemon('bash', ['-c', script], { env: environment, cwd: checkout })
  running.push(daemon)
  await daemon.find(line)
}
const stopAll = () => Promise.all(running.splice(0).map((daemon) => daemon.stop()))

beforeAll(async () => {
  for (const name of ['home', 'checkout', 'etc/systemd/system', 'bin'])
    fs.mkdirSync(join(scratch, name), { recursive: true })
  for (const name of fs.readdirSync(ROOT))
    if (!['.tmp', '.git', 'dist'].includes(name))
      fs.symlinkSync(join(ROOT, name), join(checkout, name))
  fs.symlinkSync(inject('program'), join(checkout, 'dist'))
  simulator = await createSimulator({ switches: { password: 'the password', edition: 'chinese' } })
  for (const port of ['8080', '9090', '9400', '9401']) ports[port] = String(await freePort())
  Object.assign(environment, {
    PATH: `${join(scratch, 'bin')}:${process.env['PATH']}`,
    HOME: home,
    LISTEN: `127.0.0.1:${ports['8080']}`,
    ADMIN_LISTEN: `127.0.0.1:${ports['9090']}`,
  })
})
afterAll(async () => {
  await stopAll()
  await simulator.close()
})

describe('the shell blocks of the documentation', () => {
  it('get started: the program by its name', async () => {
    await runBlock('docs/get-started.md', 'ln -sfn')
    expect(await run('isales-auth-proxy version')).toBe(`${version}\n`)
  })

  it('get started: a call works before and after its token was revoked', async () => {
    await startBlock(block('docs/get-started.md', 'npm run simulator'), SIMULATING)
    const served = new RegExp(`It works\\.[^]*${SERVING.source}`)
    await startBlock(block('docs/get-started.md', '(umask 077 && printf'), served)
    const output = await runBlock('docs/get-started.md', 'curl')
    expect(output.match(/"result":0/g)).toHaveLength(2)
    expect(output).toContain('isales_proxy_replays_total{outcome="recovered"} 1')
    await stopAll()
  })

  it('get started: check --live prints what another iSales needs, and the proxy works with it', async () => {
    const script = block('docs/get-started.md', '(umask 077 && read')
    const inChinese = `export LANG=zh_CN.UTF-8\n${script.replace(/\n$/, '')} || [ $? = 2 ]\n`
    const found = await run(inChinese, 'the password\n')
    expect(found).toBe('ISALES_TOKEN_HEADER=Authentication: Bearer {refreshToken}\n')
    const account = { ISALES_USER: 'obs', ISALES_PASSWORD_FILE: join(home, 'isales-password') }
    Object.assign(environment, { ISALES_URL: simulator.origin, ...account })
    const traced = block('docs/get-started.md', 'node dist/main.js check').replace(/\n$/, '')
    await run(`${traced} || [ $? = 2 ]\n`)
    const transcript = fs.readFileSync(join(home, 'transcript.txt'), 'utf8')
    expect(transcript).toContain('> Authentication: Bearer <refreshToken>\n')
    await startBlock(block('docs/get-started.md', 'export ISALES_TOKEN'), SERVING)
  })

  it('CTI-OBS: a login at the proxy, a call with what it gave, and a status that shows the call', async () => {
    const exec = block('docs/kubernetes-operating.md', 'kubectl exec')
    const [command = ''] = exec.replace(' --namespace telephony', '').match(/kubectl.*/) ?? []
    expect(read('docs/operations.md')).toContain(`| \`${command}\` |`)
    const status = () => run(`kubectl() { shift 9; node dist/main.js "$@"; }\n${exec}`)
    expect(await status()).toContain('[No call has arrived yet]')
    const [login = '', call = ''] = block('docs/cti-obs.md', 'curl').split(/(?<=x"}'\n)/)
    const granted = JSON.parse(await run(login)) as { resultData: { token: string } }
    const response = await run(call.replace('<token>', granted.resultData.token))
    expect(JSON.parse(response)).toMatchObject({ result: 0, resultData: { version: 310 } })
    expect(await status()).toMatch(/\[Healthy\][^]*Last answered call/)
    await stopAll()
  })

  it('simulator: its start, and its control port', async () => {
    await startBlock(block('docs/dev/simulator.md', 'npm ci').replace('npm ci\n', ''), SIMULATING)
    const [control = '', start = ''] = block('docs/dev/simulator.md', 'curl').split(/(?=npm run)/)
    expect(await run(control)).toContain('{')
    await startBlock(start, SIMULATING)
    await stopAll()
  })

  describe('of Kubernetes', () => {
    const page = 'docs/kubernetes.md'
    const write = (name: string, text: string) => fs.writeFileSync(join(checkout, name), text)
    /** A client without a cluster: prints what it would create. */
    const stubs = `kubectl() {
        case "$1" in
          replace) cat;; apply) echo ---; cat "\${@: -1}";; rollout) ;;
          *) ${newest.kubectl} "$@" --dry-run=client --output yaml;;
        esac
      }
      helm() {
        case "$1" in
          template) ${newest.helm} "$@" --kube-version=1.36.0;;
          *) ${newest.helm} "$@" >&2;;
        esac
      }\n`
    const made = (start: string, from = page) => run(stubs + block(from, start), 'the password\n')
    /** The block of values of the page that begins so, with the settings of the Chinese edition. */
    const valuesOf = (start: string) => {
      const more = yamlOf('settings:\n  ISALES_URL') + yamlOf('podMonitor:')
      return { ...(parse(yamlOf(start)) as object), ...(parse(more) as object) }
    }
    const yamlOf = (start: string) =>
      read(page)
        .split('```yaml\n')
        .find((one) => one.startsWith(start))
        ?.replace(/```[^]*/, '') ?? ''
    const isChinese = (pod: IPodSpec) => {
      const loaded = configure(environmentOf(proxyIn(pod)))
      expect(loaded).toMatchObject({ ok: true, problems: [] })
      expect(environmentOf(proxyIn(pod))['ISALES_REFRESH_HEADER_TOKEN']).toBe('refreshToken')
    }

    it('the Secrets and the stand-alone proxy', async () => {
      const { cert, key } = makeCertificates().server
      write('tls.crt', cert)
      write('tls.key', key)
      write('values.yaml', stringify(valuesOf('image:')))
      /** Of the last Secret that was made; kubectl puts nothing between two. */
      const dataOf = (made: string) => {
        const secret = parse(made.slice(made.lastIndexOf('apiVersion:'))) as Secret
        expect(secret.metadata.namespace).toBe('telephony')
        const texts = Object.entries(secret.data).map(([name, text]) => [name, atob(text)] as const)
        return Object.fromEntries(texts)
      }
      type Secret = { metadata: { namespace: string }; data: Readonly<Record<string, string>> }
      const credentials = { user: 'obs', password: 'the password' }
      expect(dataOf(await made("read -rsp 'Password: '"))).toEqual(credentials)
      const operating = 'docs/kubernetes-operating.md'
      expect(dataOf(await made("read -rsp 'New", operating))).toEqual(credentials)
      const standalone = dataOf(await made('kubectl create secret tls'))
      expect(standalone).toMatchObject({ ...credentials, 'obs-user': 'cti' })
      expect(standalone['obs-password']).toMatch(/^[\w+/]{24}$/)
      expect(fs.statSync(join(checkout, 'obs-password')).mode & 0o777).toBe(0o600)
      const rendered = await made('helm install isales helm/isales-auth-proxy --namespace t')
      const manifests = parseManifests(rendered)
      isChinese(podOf(manifests))
      const [{ metadata } = { metadata: {} }] = ofKind(manifests, 'Deployment')
      expect(metadata).toMatchObject({ name: 'isales-isales-auth-proxy', namespace: 'telephony' })
      const store = dataOf(await made("read -rsp 'Password of the store", operating))
      expect(store).toMatchObject({ password: 'the password' })
      expect(store['key']).toMatch(/^[\w+/]{43}=\n$/)
    })

    it('a chart with the proxy as a dependency, and a pod without Helm', async () => {
      const chart = join(home, 'charts/cti-obs')
      fs.mkdirSync(join(chart, 'templates'), { recursive: true })
      const head = 'apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: cti-obs }\nspec:\n'
      const template = yamlOf('      labels:').replace('# …', 'image: cti-obs:9')
      const { [NAME]: own, ...more } = valuesOf(`${NAME}:`) as Readonly<Record<string, object>>
      for (const [file, text] of [
        ['Chart.yaml', `apiVersion: v2\nname: cti-obs\nversion: 1.0.0\n${yamlOf('dependencies:')}`],
        ['values.yaml', stringify({ [NAME]: { ...own, ...more } })],
        ['templates/deployment.yaml', `${head}  template:\n    metadata:\n${template}`],
      ] as const)
        fs.writeFileSync(join(chart, file), text)
      await made('cp -R')
      const manifests = parseManifests(await made('helm dependency update'))
      isChinese(podOf(manifests))
      const kinds = manifests.map(({ kind }) => kind).sort()
      expect(kinds).toEqual(['ConfigMap', 'Deployment', 'PodMonitor', 'PrometheusRule'])
      const written = parseManifests(await made('kubectl apply --namespace telephony'))
      expect(proxyIn(podOf(written)).restartPolicy).toBe('Always')
    })

    it('injection, and a dry run of a restricted pod, until it shows the mark of the release', async () => {
      write('values.yaml', stringify(valuesOf('mode: sidecar')))
      const policies = parseManifests(await made('kubectl apply -f config/kubernetes/guard'))
      const { metadata, spec } = parse(read('config/kubernetes/try.yaml')) as Pod
      const pod = { metadata: { ...metadata, namespace: 'telephony' }, spec }
      const namespaces = { telephony: { 'kubernetes.io/metadata.name': 'telephony' } }
      const admitted = admit(policies, namespaces, pod)
      isChinese(admitted.spec)
      for (const one of [proxyIn(admitted.spec), ...spec.containers])
        expect(unrestricted(admitted.spec, one).join()).toMatch(/^(?:may write to its root)?$/)

      const now = stringify(admitted)
      const before = now.replace(/(injected: isales\.).*/, '$100000000')
      const mark = /isales-auth-proxy\/injected: isales\.[0-9a-f]{8}/.exec(now)?.[0] ?? ''
      for (const [name, text] of Object.entries({ now, before, told: `marked \`${mark}\`` }))
        fs.writeFileSync(join(scratch, name), text)
      const script = block(page, 'mark=')
      const dry = `cd ${scratch}; sleep() { :; }
        helm() { test "$*" = 'get notes isales --namespace platform' && cat told; }
        kubectl() { echo >>runs; case $(wc -l <runs) in 1) return 1;; 2) cat before;; *) cat now; esac; }\n`
      expect((await run(dry + script)).trim()).toBe(mark)
      expect(fs.readFileSync(join(scratch, 'tried.yaml'), 'utf8')).toBe(now)
    })

    it('name the namespace, unless they concern the cluster or a file', () => {
      const pages = PAGES.filter((file) => /kubernetes|sharing/.test(file))
      const found = [...pages, `helm/${NAME}/templates/NOTES.txt`].flatMap((file) =>
        read(file).match(/\b(?:kubectl|helm) (?=[a-z-])[^|`\n\\]*(?:\\\n[^|`\n\\]*)*/g),
      )
      const isWide =
        /^(?:\w+ \w+$|kubectl (?:(?:apply|delete) -f \S*guard|(?:label|get) (?:namespace|crd) )|helm (?:show|dependency) )/
      const commands = found.filter((one) => one !== null && !isWide.test(one))
      expect(commands.length).toBeGreaterThan(40)
      expect(commands.filter((one) => !/ --(?:all-)?namespaces?[ =]/.test(one ?? ''))).toEqual([])
    })
  })

  it('are all run above, or say why not', () => {
    const isOf = (page: string, text: string) => (entry: readonly string[]) =>
      entry[0] === page && text.startsWith(entry[1] ?? '')
    // A translation has its page's blocks: test/docs/translations.test.ts.
    const english = PAGES.filter((page) => !page.endsWith('.zh-CN.md'))
    const blocks = english.flatMap((page) => blocksOf(page).map((text) => [page, text] as const))
    const entries = [...ran, ...NOT_RUN]
    expect(blocks.filter(([page, text]) => !entries.some(isOf(page, text)))).toEqual([])
    const used = new Set(blocks.map(([page, text]) => NOT_RUN.find(isOf(page, text))))
    expect(NOT_RUN.filter((entry) => !used.has(entry))).toEqual([])
  })

  it('name only scripts, commands and flags that exist, also within a sentence', async () => {
    const text = PAGES.map(read).join('\n')
    const named = new Set(Array.from(text.matchAll(/npm run ([a-z][a-z:-]*)/g), ([, name]) => name))
    expect([...named].filter((name) => !Object.hasOwn(scripts, name ?? ''))).toEqual([])

    const calls = /(?:isales-auth-proxy|main\.js|`) ?(check|status|renew|serve)((?: --[a-z-]+)*)/g
    const flags = new Map<string, Set<string>>()
    for (const [, name = '', given = ''] of text.matchAll(calls))
      for (const flag of given.split(' ')) flags.set(name, (flags.get(name) ?? new Set()).add(flag))
    expect([...flags.keys()].sort()).toEqual(['check', 'renew', 'serve', 'status'])
    const check = async ([name, given]: readonly [string, ReadonlySet<string>]) => {
      const help = await run(`node dist/main.js ${name} --help`)
      expect([...given].filter((flag) => !help.includes(flag))).toEqual([])
    }
    await Promise.all([...flags].map(check))
  })
})
