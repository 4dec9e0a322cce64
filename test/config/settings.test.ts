import { describe, expect, it } from 'vitest'
import { loadConfig, type Environment } from '../../src/config/load.ts'
import { RULES } from '../../src/config/rules.ts'
import { SECRET_VARIABLES, SETTING_LIST } from '../../src/config/settings.ts'
import { problemOf } from './stand.ts'
import { en, WORDS } from '../../src/words/index.ts'
import { configurationPage, exampleEnv } from '../../scripts/docs-text.ts'

const { zh } = WORDS

describe('each setting', () => {
  it.each(
    SETTING_LIST.flatMap(({ name, default: text }) =>
      text === undefined ? [] : [[name, text] as const],
    ),
  )('%s accepts its default %j, which has the largest unit that fits', (name, text) => {
    const { settings } = loadConfig({ ISALES_URL: 'https://i', [name]: text })
    expect(settings.find((one) => one.name === name)?.value).toBe(text)
  })

  it.each(
    SETTING_LIST.filter(({ inFile }) => inFile !== 'only').map((one) => [one.name, one] as const),
  )('%s accepts its example', (_, setting) => {
    expect(() => setting.read(setting.example)).not.toThrow()
  })

  it.each(SETTING_LIST.map((one) => [one.name, one] as const))(
    '%s says in sentences what it does, and what its default is, in both languages',
    (_, { doc, derive, derived }) => {
      expect(doc(en.settings)).toMatch(/^[A-Z`][\s\S]*\.$/)
      expect(doc(zh.settings)).toMatch(/[\u4e00-\u9fff].*。$/)
      expect(typeof derived?.(zh.settings)).toBe(derive === undefined ? 'undefined' : 'string')
    },
  )

  it('is described in the order of the tables, and nothing else is', () => {
    expect(Object.keys(en.settings.docs)).toEqual(SETTING_LIST.map(({ key }) => key))
  })

  it('that is or may hold a secret is removed from the environment of the process', () => {
    expect(SECRET_VARIABLES.toSorted()).toEqual([
      'HTTPS_PROXY',
      'ISALES_PASSWORD',
      'OBS_PASSWORD',
      'OBS_TICKET_KEY',
      'SESSION_STORE_KEY',
      'SESSION_STORE_PASSWORD',
      'SESSION_STORE_URL',
      'https_proxy',
    ])
  })

  it('is a key of the configuration in camel case, and so is the path of its file', () => {
    const names = SETTING_LIST.flatMap(({ name, variables }) => [name, ...variables])
    const keys = Object.keys(loadConfig({}).config)
    expect(names).toContain('ISALES_TOKEN_HEADERS')
    const spelt = keys.map((key) => key.replaceAll(/[A-Z]/g, '_$&').toUpperCase())
    // They follow from settings, and cannot be set.
    const following = ['ISALES_INTERFACE_PATH', 'ISALES_CONNECT_TIMEOUT']
    expect(spelt.filter((name) => !names.includes(name))).toEqual(following)
  })
})

describe('the written documentation', () => {
  const page = configurationPage()

  it('names every setting and every rule', () => {
    for (const name of SETTING_LIST.flatMap(({ variables }) => variables)) {
      expect(page).toContain(`\`${name}\``)
    }
    for (const { said } of RULES) expect(page).toContain(said(en.settings)[0])
  })

  it('has tables whose rows have as many cells as their heads', () => {
    const cells = (line: string): number => line.replaceAll('\\|', '').split('|').length
    const tables = page.split('\n\n').filter((block) => block.startsWith('| '))
    expect(tables.length).toBeGreaterThan(5)
    for (const table of tables) {
      expect(new Set(table.trim().split('\n').map(cells)).size).toBe(1)
    }
  })
})

describe('config/example.env', () => {
  const lines = exampleEnv().split('\n')
  const entries = (pattern: RegExp): Environment =>
    Object.fromEntries(
      lines.flatMap((line) => {
        const [, name, value] = pattern.exec(line) ?? []
        return name === undefined ? [] : [[name, value]]
      }),
    )

  it('as it stands is a sound configuration', () => {
    expect(loadConfig(entries(/^([A-Z_]+)=(.*)$/))).toMatchObject({ ok: true, warnings: [] })
  })

  it('offers every other setting, in a line that may be uncommented', () => {
    const required = entries(/^([A-Z_]+)=(.*)$/)
    const offered = entries(/^#([A-Z_]+)=(.*)$/)
    expect(Object.keys(required).length + Object.keys(offered).length).toBe(SETTING_LIST.length)
    for (const [name, value] of Object.entries(offered)) {
      const loaded = loadConfig({ ...required, [name]: value })
      const own = loaded.ok
        ? []
        : loaded.errors.filter((one) => !/file|without|require/.test(problemOf(one)))
      expect({ name, own }).toEqual({ name, own: [] })
    }
  })
})
