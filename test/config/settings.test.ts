import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { configKey } from '../../src/config/config.ts'
import { describeRules, describeSettings } from '../../src/config/describe.ts'
import { loadConfig, type Environment } from '../../src/config/load.ts'
import { describeConfig, sourceText } from '../../src/config/rows.ts'
import { SECRET_NAMES } from '../../src/config/secret-names.ts'
import { Secret } from '../../src/config/secret.ts'
import { SETTING_LIST } from '../../src/config/settings.ts'
import { configurationPage, exampleEnv } from '../../scripts/docs-text.ts'

describe('each setting', () => {
  it.each(
    SETTING_LIST.flatMap(([name, { kind, default: text }]) =>
      text === undefined ? [] : [[name, text, kind] as const],
    ),
  )('%s accepts its default %j, and would show it so', (_, text, kind) => {
    expect(kind.format(kind.schema.parse(text))).toBe(text)
  })

  it.each(SETTING_LIST.filter(([, { file }]) => file !== 'only'))(
    '%s accepts its example',
    (_, { kind, example }) => {
      expect(kind.schema.safeParse(example).success).toBe(true)
    },
  )

  it.each(SETTING_LIST)('%s says in sentences what it does', (_, { doc }) => {
    expect(doc).toMatch(/^[A-Z`][\s\S]*\.$/)
  })

  it('that is secret is removed from the environment of the process', () => {
    const secrets = SETTING_LIST.filter(([, { kind }]) => {
      const read = kind.schema.safeParse('http://x'.padEnd(40, 'x'))
      return read.success && read.data instanceof Secret
    })
    expect(secrets.length).toBeGreaterThan(3)
    for (const [name] of secrets) expect(SECRET_NAMES).toContain(name)
  })
})

describe('names', () => {
  it('of the configuration are those of the environment in camel case', () => {
    expect(configKey('ISALES_URL')).toBe('isalesUrl')
    expect(configKey('OTEL_EXPORTER_OTLP_ENDPOINT')).toBe('otelExporterOtlpEndpoint')
    const loaded = loadConfig({})
    const keys = new Set(SETTING_LIST.map(([name]) => configKey(name)))
    for (const key of Object.keys(loaded.config)) {
      expect(keys.has(key as never) || key.endsWith('File')).toBe(true)
    }
  })
})

describe('the rows of the configuration', () => {
  const loaded = loadConfig({
    ISALES_URL: 'https://service.besclouds.com',
    ISALES_USER: 'obs',
    ISALES_PASSWORD: 'canary-1',
    HTTPS_PROXY: 'http://user:canary-2@proxy',
    ISALES_REFRESH_PATH: 'off',
    CLIENT_DEADLINE: '0',
    LOG_LEVEL: 'loud',
  })
  const rows = new Map(describeConfig(loaded).map((row) => [row.setting, row]))

  it('show each setting once, in the order of the documentation', () => {
    expect([...rows.keys()]).toEqual(SETTING_LIST.map(([name]) => name))
  })

  it('show what is in force, where it came from and the default', () => {
    const shown = (name: string): unknown[] => {
      const row = [...rows.values()].find(({ setting }) => setting === name)
      return row === undefined ? [] : [row.value, sourceText(row.source), row.default]
    }
    expect(shown('ISALES_URL')).toEqual(['https://service.besclouds.com', 'environment', undefined])
    expect(shown('ISALES_REFRESH_PATH')).toEqual([
      'off',
      'environment',
      '/rest/isales/v1/openapi/obs/auth/refresh',
    ])
    expect(shown('CLIENT_DEADLINE')).toEqual(['0s', 'environment', '2.8s'])
    expect(shown('LISTEN')).toEqual(['127.0.0.1:8080', 'default', '127.0.0.1:8080'])
    expect(shown('ISALES_CA_FILE')).toEqual([undefined, 'default', undefined])
    expect(shown('OBS_LOGIN')).toEqual([
      'answer',
      'default',
      'answer on loopback and Unix sockets, require elsewhere',
    ])
    expect(shown('LOG_LEVEL')[0]).toBeUndefined()
  })

  it('show no secret', () => {
    expect(rows.get('ISALES_PASSWORD')?.value).toBe('[redacted]')
    expect(rows.get('HTTPS_PROXY')?.value).toBe('[redacted]')
    expect(JSON.stringify([...rows.values()])).not.toContain('canary')
    expect(loaded.config.isalesPassword).toBeInstanceOf(Secret)
  })
})

describe('the written documentation', () => {
  const page = configurationPage()

  it('names every setting and every rule', () => {
    for (const { name, fileName } of describeSettings()) {
      const names = [name, fileName].filter((one) => one !== undefined)
      for (const one of names) expect(page).toContain(`\`${one}\``)
    }
    for (const { problem } of describeRules()) expect(page).toContain(problem)
  })

  it('is plain data', () => {
    const settings = describeSettings()
    expect(JSON.parse(JSON.stringify(settings))).toEqual(
      settings.map((one) => JSON.parse(JSON.stringify(one))),
    )
  })

  it('is the one in the tree', () => {
    const tree = (path: string): string =>
      readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
    expect(tree('docs/configuration.md')).toBe(page)
    expect(tree('config/example.env')).toBe(exampleEnv())
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
        : loaded.faults.filter(({ problem }) => !/file|without|require/.test(problem))
      expect({ name, own }).toEqual({ name, own: [] })
    }
  })
})
