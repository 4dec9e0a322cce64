import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { describe, expect, it } from 'vitest'
import { SECRET_VARIABLES, SETTING_LIST, type Setting } from '../../src/config/settings.ts'
import { codesOf, loadWith } from './stand.ts'

const read = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

/** The rows of the tables of settings: names, default, limits. */
const rowsOf = (page: string) =>
  read(page)
    .split('\n')
    .filter((line) => /^\| `[A-Z]/.test(line))
    .map((line) => {
      const [names = '', standard = '', limits = '', doc = ''] = line
        .slice(2)
        .split(' | ')
        .map((cell) => cell.trim())
      return { names: names.match(/\w+/g) ?? [], standard, limits, doc }
    })

// oxlint-disable vitest/no-standalone-expect -- what a cell is compared with
const ANY_TEXT: unknown = expect.stringMatching(/./)
const WITH_NAMES: unknown = expect.stringContaining('`')
// oxlint-enable vitest/no-standalone-expect

interface Language {
  readonly page: string
  readonly to: string
  readonly required: string
  readonly empty: string
}

/** What the page says of the default. Of one that follows from other settings it says how. */
function standardOf(setting: Setting, { required, empty }: Language): unknown {
  if (setting.required) return required
  if (setting.default === '') return empty
  if (setting.default !== undefined) return `\`${setting.default}\``
  return /PATH/.test(setting.name) ? WITH_NAMES : ''
}

/** What the page says of the limits; of a format that is no number and no choice it says it in words. */
function limitsOf({ kind, range, choices = [] }: Setting, { to }: Language): unknown {
  const isNumber = range !== undefined && kind !== 'secret'
  const limits = [...(isNumber ? [`${range.min}${to}${range.max}`] : []), ...choices]
  return limits.length > 0 && kind !== 'path' ? limits.join(', ') : ANY_TEXT
}

const LANGUAGES: readonly Language[] = [
  { page: 'docs/configuration.md', to: ' to ', required: 'required', empty: 'empty' },
  { page: 'docs/configuration.zh-CN.md', to: ' 到 ', required: '必填', empty: '空' },
]

describe.each(LANGUAGES)('$page', (language) => {
  const rows = rowsOf(language.page)

  it('has one row a setting, in order, with each variable', () => {
    expect(rows.map(({ names }) => names)).toEqual(
      SETTING_LIST.map(({ variables }) => [...variables]),
    )
  })

  it.each(SETTING_LIST.map((one, index) => [one.name, one, index] as const))(
    'has the default and the limits of %s, and says what it does',
    (_, setting, index) => {
      expect(rows[index]).toMatchObject({
        standard: standardOf(setting, language),
        limits: limitsOf(setting, language),
        doc: expect.stringMatching(/.{8}/),
      })
    },
  )
})

it.each(SETTING_LIST.filter(({ kind }) => kind !== 'secret'))(
  'the default and the example of $name are accepted',
  ({ default: standard, example, parse }) => {
    expect([example, standard ?? example].map((text) => parse(text) === null)).toEqual([
      false,
      false,
    ])
  },
)

it('there are no more variables than anybody sets', () => {
  const names = SETTING_LIST.flatMap(({ variables }) => variables)
  expect(names.filter((name) => name === name.toUpperCase()).length).toBeLessThanOrEqual(42)
})

it('variables with a secret are deleted from the environment of the process', () => {
  expect(SECRET_VARIABLES).toEqual([
    'ISALES_PASSWORD',
    'HTTPS_PROXY',
    'https_proxy',
    'SESSION_STORE_URL',
    'OBS_PASSWORD',
  ])
})

it('config/example.env is sound, and so is each line with a # before it', () => {
  const text = read('config/example.env')
  expect(codesOf(loadWith(parseEnv(text)))).toEqual([])
  const whole = text.replaceAll(/^#(?=[A-Z_]+=)/gm, '')
  expect(Object.keys(parseEnv(whole)).length).toBeGreaterThan(10)
  expect(codesOf(loadWith(parseEnv(whole)))).toEqual(['ISALES_CA_FILE missing'])
})
