import { Ajv } from 'ajv'
import { expect, it } from 'vitest'
import { SETTING_LIST } from '../../src/config/settings.ts'
import { standalone, template } from './support/chart.ts'
import { DEFAULTS, SCHEMA, withValue } from './support/values.ts'

/** Values that are wrong for a kind of setting. */
const WRONG: Readonly<Record<string, readonly unknown[]>> = {
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
const accepts = new Ajv({ strict: false }).compile(SCHEMA)
const isAccepted = (name: string, value: unknown): boolean =>
  accepts(withValue(DEFAULTS, `settings.${name}`, value)) === true

it.each(SETTINGS)(
  'the schema accepts default, example and file of $name, and refuses wrong values',
  ({ name, fileName, kind, example, default: standard }) => {
    const wrong = WRONG[kind] ?? []
    expect(wrong.map((value) => [value, isAccepted(name, value)])).toEqual(
      wrong.map((value) => [value, false]),
    )
    expect(wrong).not.toEqual([])
    for (const value of [standard, example])
      expect(value === undefined || isAccepted(name, value)).toBe(true)
    expect(isAccepted(fileName ?? name, fileName ? '/run/isales/file' : null)).toBe(true)
  },
)

it('the chart refuses values beyond each limit, by name and with the limits', async () => {
  const limited = SETTINGS.flatMap(({ name, range }) => (range ? [{ name, ...range }] : []))
  const step = (limit: string, by: number) => limit.replace(/^\d+/, (digits) => `${+digits + by}`)
  const least = limited.filter(({ min }) => !min.startsWith('0'))
  for (const settings of [
    Object.fromEntries(limited.map(({ name, max }) => [name, step(max, 1)])),
    Object.fromEntries(least.map(({ name, min }) => [name, step(min, -1)])),
  ])
    for (const { stderr } of await template(standalone({ settings })))
      for (const [name, text] of Object.entries(settings))
        expect(stderr).toMatch(new RegExp(`settings\\.${name} is ${text}: it must be \\d`))
})
