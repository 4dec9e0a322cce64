import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect } from 'vitest'
import { parse } from 'yaml'
import { temporaryDirectory } from '../../support/temporary.ts'
import { parseManifests, type Manifest } from './manifests.ts'
import { ROOT, run, succeed, type Outcome } from './run.ts'
import { newest, older } from './tools.ts'

export const CHART = join(ROOT, 'helm/isales-auth-proxy')
export const NAME = 'isales-auth-proxy'

export const ciFile = (name: string): string => join(CHART, 'ci', `${name}-values.yaml`)

export const CI_NAMES = readdirSync(join(CHART, 'ci')).map((file) => basename(file, '-values.yaml'))

export const ciValues = (name: string): object =>
  parse(readFileSync(ciFile(name), 'utf8')) as object

interface Values {
  readonly settings?: object
  readonly [name: string]: unknown
}

/** Returns these values on top of the minimum for a stand-alone proxy. */
export const standalone = ({ settings, ...values }: Values = {}): Values => ({
  settings: { ISALES_URL: 'https://isales.example', ...settings },
  secret: { name: 's' },
  tls: { secretName: 't' },
  ...values,
})

export interface Rendering {
  /** Default: obs. */
  readonly release?: string
  /** A directory; default: this chart. */
  readonly chart?: string
  /** Version of Kubernetes; default: 1.36.0. */
  readonly kube?: string
}

/** Outcomes by arguments and values, because several files render the same values. */
const outcomes = new Map<string, Promise<readonly Outcome[]>>()

/** Returns the output of `helm template` for these values: helm 4, and helm 3. */
export const template = (
  values: object,
  { release = 'obs', chart = CHART, kube = '1.36.0' }: Rendering = {},
): Promise<readonly Outcome[]> => {
  const where = [release, chart, '--namespace=telephony', `--kube-version=${kube}`]
  const args = ['template', ...where, '--values=-']
  const input = JSON.stringify(values)
  const key = [...args, input].join('\n')
  const made =
    outcomes.get(key) ?? Promise.all([newest, older].map(({ helm }) => run(helm, args, { input })))
  outcomes.set(key, made)
  return made
}

/** Returns the manifests, which both helms render to the same bytes. @throws with helm's message if it fails or warns. */
export const render = async (
  values: object,
  rendering?: Rendering,
): Promise<readonly Manifest[]> => {
  const made = await template(values, rendering)
  for (const { code, stderr } of made) if (code !== 0 || stderr !== '') throw new Error(stderr)
  const [rendered = '', other] = made.map(({ stdout }) => stdout)
  expect(other).toBe(rendered)
  return parseManifests(rendered)
}

// Without a cluster, helm 4 assumes Kubernetes 1.35, and helm 3 prints no notes.
const unchecked = temporaryDirectory()
cpSync(CHART, unchecked, { recursive: true })
rmSync(join(unchecked, 'templates/validate.yaml'))
/** Returns the notes of a release `obs` with the values of a file in `ci/`, after its objects. */
export const notes = (ci: string, ...more: readonly string[]): Promise<string> =>
  succeed(
    newest.helm,
    ['install', 'obs', unchecked, '--dry-run=client', '--values', ciFile(ci)].concat(more),
  )

/** The directory of the chart `test/deploy/cti-obs` with its dependency. */
export const PARENT = temporaryDirectory()
cpSync(join(ROOT, 'test/deploy/cti-obs'), PARENT, { recursive: true })
cpSync(CHART, join(PARENT, 'charts', NAME), { recursive: true })

/** Renders that chart with a sidecar: the values of a file in `ci/`, and `more` on top of them. */
export const renderSidecar = (ci = 'sidecar', more: object = {}): Promise<readonly Manifest[]> =>
  render(sidecar(ci, more), { chart: PARENT })

export const sidecar = (ci: string, more: object = {}): object => ({
  [NAME]: { ...ciValues(ci), enabled: true, ...more },
})
