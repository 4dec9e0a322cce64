import { expect, test } from 'vitest'
import { LOG_EVENTS, LOG_FIELDS, type LogEventName } from '../../src/log/log-events.ts'
import { read } from './pages.ts'

const page = read('docs/log.md')
const rows = (heading: string): readonly (readonly string[])[] => {
  const [, chapter = ''] = page.split(`## ${heading}\n`)
  const lines = Array.from(
    chapter.split(/^## /m)[0]?.matchAll(/^\| `.*$/gm) ?? [],
    ([line]) => line,
  )
  return lines.map((line) => line.slice(2, -2).split(' | '))
}

test('docs/log.md has exactly the events, with level and message', () => {
  const written = rows('Events')
  const events = Object.entries(LOG_EVENTS).map(([name, { level }]) => [`\`${name}\``, level])
  expect(written.map(([name, level]) => [name, level])).toEqual(events)
  for (const [name = '', , meaning = ''] of written) {
    const { msg } = LOG_EVENTS[name.replaceAll('`', '') as LogEventName]
    expect(meaning.startsWith(`${msg}. `)).toBe(true)
  }
})

test('docs/log.md has exactly the fields, with their type', () => {
  const kinds = { string: 'text', number: 'number', boolean: 'flag', error: 'error' }
  const written = rows('Fields').map(([name, kind]) => `${name} ${kind}`)
  const fields = Object.entries(LOG_FIELDS).map(([name, type]) => `\`${name}\` ${kinds[type]}`)
  expect(written.toSorted()).toEqual(fields.toSorted())
})
