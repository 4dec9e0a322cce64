import { Ajv } from 'ajv'
import { expect, it } from 'vitest'
import { SETTING_LIST } from '../../src/config/settings.ts'
import { standalone, template } from './support/chart.ts'
import { DEFAULTS, SCHEMA, withValue } from './support/values.ts'

/** Texts that some settings refuse. The schema knows no ranges, and no quotes in names. */
// oxfmt-ignore
const TEXTS = [
  '', '+1s', '1h30m', '64KB', '127.0.0.1:http', 'none of them', 'two words', 'two\nlines',
  'x'.repeat(50), 'relative', './relative.pem', '/with?query', '/with%20escape', '/with?query,/', 'user@host', 'host:443',
  'isales.example', 'https://host', 'ftp://isales.example', 'https://isales.example/path', 'http://u:p@egress', 'http://egress/path',
  'http://two words', 'valkeys://u:p@store', 'store:6379', 'result=', 'Authorization', 'Authorization: {tokens}', 'Two Words: {token}',
]
const SETTINGS = SETTING_LIST.filter(({ kind }) => kind !== 'secret')
const accepts = new Ajv({ strict: false }).compile(SCHEMA)
const isAccepted = (name: string, value: unknown): boolean =>
  accepts(withValue(DEFAULTS, `settings.${name}`, value)) === true

it.each(SETTINGS)(
  'the schema accepts default, example and file of $name, and no text that the program refuses',
  ({ name, fileName, example, default: standard, parse }) => {
    const wrong = TEXTS.filter((text) => parse(text) === null)
    expect(wrong.length).toBeGreaterThan(0)
    expect(wrong.filter((text) => isAccepted(name, text))).toEqual([])
    for (const value of [standard, example])
      expect(value === undefined || isAccepted(name, value)).toBe(true)
    const files = fileName ? ['/run/isales/file', 'relative'] : []
    expect(files.map((file) => isAccepted(fileName ?? '', file))).toEqual(
      files.map((file) => file !== 'relative'),
    )
    expect(isAccepted(name, ['a list'])).toBe(false)
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
