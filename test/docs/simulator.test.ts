import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseInvocation } from '../../simulator/program.ts'

const page = readFileSync(new URL('../../docs/simulator.md', import.meta.url), 'utf8')
const commands = Array.from(
  page.matchAll(/npm run simulator -- ([^\n`#|]+)/g),
  ([, flags = '']) => flags,
)
const flags = Array.from(page.matchAll(/`(--[a-z-]+[ =][^`]+)`/g), ([, given = '']) => given)

test.each([...commands, ...flags].filter((line) => !line.includes("'")))(
  'the simulator understands what its page shows: %s',
  (line) => {
    expect(() => parseInvocation(line.trim().split(/ +/))).not.toThrow()
  },
)

test('its page shows flags', () => {
  expect(flags).toContain('--lifetime=-5')
})
