import { parseEnv } from 'node:util'
import { Ajv, type AnySchemaObject } from 'ajv'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { SETTING_LIST, type Setting } from '../../src/config/settings.ts'
import { read } from '../docs/pages.ts'
import { codesOf, loadWith } from './stand.ts'

/** Returns the rows of the tables of settings: names, default, limits. */
const rowsOf = (page: string) =>
  read(page)
    .split('\n')
    .filter((line) => /^\| `[A-Z]/.test(line))
    .map((line) => {
      const cells = line.slice(2).split(' | ')
      const [names = '', standard = '', limits = '', doc = ''] = cells.map((cell) => cell.trim())
      return { names: names.match(/\w+/g) ?? [], standard, limits, doc }
    })

// oxlint-disable vitest/no-standalone-expect -- expected value of a table field
const ANY_TEXT: unknown = expect.stringMatching(/./)
const WITH_NAMES: unknown = expect.stringContaining('`')
// oxlint-enable vitest/no-standalone-expect

/** Words of the pages for limits and missing defaults. */
const LANGUAGES = [
  ['docs/configuration.md', ' to ', 'required', 'empty'],
  ['docs/configuration.zh-CN.md', ' 到 ', '必填', '空'],
] as const

it.each(LANGUAGES)(
  '%s has one row per setting, in order, with variables, default, limits and an explanation',
  (page, to, required, empty) => {
    /** A default that follows from other settings is explained. */
    const standardOf = (setting: Setting): unknown => {
      if (setting.required) return required
      if (setting.default === undefined) return /PATH/.test(setting.name) ? WITH_NAMES : ''
      return setting.default === '' ? empty : `\`${setting.default}\``
    }
    /** A format that is neither a number nor a choice is described in words. */
    const limitsOf = ({ kind, range, choices = [] }: Setting): unknown => {
      const isNumber = range !== undefined && kind !== 'secret'
      const limits = [...(isNumber ? [`${range.min}${to}${range.max}`] : []), ...choices]
      return limits.length > 0 && kind !== 'path' ? limits.join(', ') : ANY_TEXT
    }
    expect(rowsOf(page)).toEqual(
      SETTING_LIST.map((setting) => ({
        names: [...setting.variables],
        standard: standardOf(setting),
        limits: limitsOf(setting),
        doc: expect.stringMatching(/.{8}/) as unknown,
      })),
    )
  },
)

it.each(SETTING_LIST.filter(({ kind }) => kind !== 'secret'))(
  'the default and the example of $name are accepted',
  ({ default: standard, example, parse }) => {
    expect([example, standard ?? example].map((text) => parse(text))).not.toContain(null)
  },
)

const CHART = 'helm/isales-auth-proxy'
const SECRETS = SETTING_LIST.filter(({ redact }) => redact !== undefined)

it('every file of a setting is watched, or read at each use, or deliberately read once', () => {
  const named = SETTING_LIST.filter(({ name, fileName }) => fileName ?? name.endsWith('_FILE'))
  expect(named.filter(({ reload }) => reload === undefined)).toEqual([])
  expect(SETTING_LIST.filter((setting) => setting.reload && !named.includes(setting))).toEqual([])
  // A proxy with another key could not read the token of the others.
  const once = named.filter(({ reload }) => reload === 'never')
  expect(once.map(({ name }) => name)).toEqual(['SESSION_STORE_KEY_FILE'])
})

it('the chart refuses every secret in its settings, and accepts it from a Secret', () => {
  const schema = JSON.parse(read(`${CHART}/values.schema.json`)) as AnySchemaObject
  const validate = new Ajv({ strict: false, allErrors: true }).compile(schema)
  const template = read(`${CHART}/templates/_problems.tpl`)
  const [, names = ''] = /list ([^}]+) \}\}[^}]+\}\}\n[^\n]+ is a secret/.exec(template) ?? []
  const open = SECRETS.filter(({ name }) => {
    if (names.includes(`"${name}"`)) return false
    void validate({ settings: { [name]: 'redis://user:secret@host' } })
    return !validate.errors?.some(({ instancePath }) => instancePath === `/settings/${name}`)
  })
  expect(open.map(({ name }) => name)).toEqual([])
  const { secret } = parse(read(`${CHART}/values.yaml`)) as { secret: { keys: object } }
  const inSecret = SETTING_LIST.filter(({ inFile }) => inFile === 'too')
  const lower = (_: string, first: string): string => first.toLowerCase()
  const keys = inSecret.map(({ key }) => key.replace(/^isales(.)/, lower))
  expect(Object.keys(secret.keys)).toEqual(keys)
})

it('config/example.env is valid, with and without its commented lines', () => {
  const text = read('config/example.env')
  expect(codesOf(loadWith(parseEnv(text)))).toEqual([])
  const whole = text.replaceAll(/^#(?=[A-Z_]+=)/gm, '')
  expect(Object.keys(parseEnv(whole)).length).toBeGreaterThan(10)
  expect(codesOf(loadWith(parseEnv(whole)))).toEqual(['ISALES_CA_FILE missing'])
})
