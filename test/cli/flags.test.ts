import { describe, expect, it } from 'vitest'
import type { Flags } from '../../src/cli/command.ts'
import { parseFlags } from '../../src/cli/run.ts'

const FLAGS = {
  live: { type: 'boolean', doc: '' },
  timeout: { type: 'string', value: '60s', doc: '' },
} as const satisfies Flags

describe('parseFlags', () => {
  it('reads flags with and without a value, in either notation', () => {
    expect(parseFlags(FLAGS, [])).toEqual({ ok: true, values: {} })
    expect(parseFlags(FLAGS, ['--live', '--timeout', '5s'])).toEqual({
      ok: true,
      values: { live: true, timeout: '5s' },
    })
    expect(parseFlags(FLAGS, ['--timeout=5s'])).toEqual({ ok: true, values: { timeout: '5s' } })
  })

  it.each([
    [['--lvie'], 'Unknown flag "--lvie". Did you mean --live?'],
    [['--password=hunter2'], 'Unknown flag "--password".'],
    [['-x'], 'Unknown flag "-x".'],
    [['--constructor'], 'Unknown flag "--constructor".'],
    [['--timeout', '--live'], '--timeout needs a value, such as --timeout 60s.'],
    [['-pSECRET'], 'Unknown flag "-p".'],
    [['--live=yes'], '--live takes no value.'],
    [['--timeout'], '--timeout needs a value, such as --timeout 60s.'],
    [['--timeout', '5s', '--timeout=6s'], '--timeout is given twice.'],
    [['--timeout='], '--timeout needs a value, such as --timeout 60s.'],
    [['extra'], 'Unexpected argument: only flags are accepted here.'],
    [['--', 'extra'], 'Unexpected argument: only flags are accepted here.'],
  ])('refuses %j', (args, problem) => {
    expect(parseFlags(FLAGS, args)).toEqual({ ok: false, problem })
  })
})
