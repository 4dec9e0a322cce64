import { expect, it } from 'vitest'
import { SETTING_LIST, type Setting } from '../../src/config/settings.ts'
import { ciValues, render, standalone, template } from './support/chart.ts'

/** Values that are wrong for a kind of setting. */
const WRONG: Readonly<Record<string, readonly [unknown, unknown, unknown]>> = {
  address: ['8080', '127.0.0.1', '127.0.0.1:http'],
  choice: ['none of them', '', 1],
  'client-names': ['two\nlines', '', 7],
  count: ['many', '1.5', -1],
  duration: ['soon', '1h30m', -1],
  file: ['relative.pem', './relative.pem', 7],
  'host-names': ['two words', 'https://host', 'host:443'],
  hosts: ['user@host', '"host"', 7],
  origin: ['isales.example', 'ftp://isales.example', 'https://isales.example/path'],
  path: ['relative', '/with?query', '/with%20escape'],
  paths: ['relative', '/with?query,/', 7],
  'proxy-url': ['http://u:p@egress', 'http://egress/path', 'http://two words'],
  rejections: ['500', 'result=', 500],
  'server-name': ['two words', 'https://host', 'host:443'],
  size: ['big', '64KB', -1],
  'store-url': ['valkeys://u:p@store', 'https://store', 'store:6379'],
  'token-header': ['Authorization', 'Authorization: {tokens}', 'Two Words: {token}'],
  user: ['two\nlines', 'x'.repeat(50), ['a list']],
}
const SETTINGS = SETTING_LIST.filter(({ kind }) => kind !== 'secret')
const LIMITED = SETTINGS.flatMap(({ name, range }) => (range ? [{ name, ...range }] : []))

const from = (value: (setting: Setting) => unknown) =>
  Object.fromEntries(SETTINGS.map((one) => [one.name, value(one)]))

/** Messages of both helm versions about these settings. */
const complaints = async (settings: Readonly<Record<string, unknown>>) =>
  (await template(standalone({ settings }))).map(({ code, stderr }) => {
    expect(code).not.toBe(0)
    return stderr
  })

it.each([
  ['it is in a file', true],
  ['it is not', false],
])('the chart takes each setting that may be in a file, where %s', async (_, inFiles) => {
  const settings = {
    ...from(({ example, fileName, ...one }) =>
      inFiles && fileName ? undefined : (one.default ?? example),
    ),
    ...Object.fromEntries(
      SETTING_LIST.flatMap(({ fileName, name }) =>
        fileName && (inFiles || !SETTINGS.some((one) => one.name === name))
          ? [[fileName, '/run/isales/file']]
          : [],
      ),
    ),
    ADMIN_LISTEN: ':9191',
    LISTEN: '127.0.0.1:8081',
  }
  // The mode that accepts any of them.
  expect(await render({ ...ciValues('injection'), settings })).not.toEqual([])
})

it.each([0, 1, 2] as const)(
  'the chart refuses wrong values of each setting, by name: row %i',
  async (row) => {
    const settings = from((one) => WRONG[one.kind]?.[row])
    expect(Object.values(settings)).not.toContain(undefined)
    for (const said of await complaints(settings))
      expect(Object.keys(settings).filter((name) => !said.includes(name))).toEqual([])
  },
)

it('the chart refuses values beyond each limit, by name and with the limits', async () => {
  const beyond = (limit: string): string => limit.replace(/^\d+/, (digits) => `${+digits + 1}`)
  const below = (limit: string): string => limit.replace(/^\d+/, (digits) => `${+digits - 1}`)
  const least = LIMITED.filter(({ min }) => !min.startsWith('0'))
  for (const settings of [
    Object.fromEntries(LIMITED.map(({ name, max }) => [name, beyond(max)])),
    Object.fromEntries(least.map(({ name, min }) => [name, below(min)])),
  ])
    for (const said of await complaints(settings))
      for (const [name, text] of Object.entries(settings))
        expect(said).toMatch(new RegExp(`settings\\.${name} is ${text}: it must be \\d`))
})
