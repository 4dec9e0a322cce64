import { formatError } from '../config/errors.ts'
import { loadConfig } from '../config/load.ts'
import { describeConfig, sourceText, type ConfigRow } from '../config/describe.ts'
import { EXIT } from './exit-codes.ts'
import { CHECK_FLAGS } from './flag-tables.ts'
import { parseFlags } from './flags.ts'
import { checkHealth } from './health.ts'
import type { Run } from './io.ts'
import { table } from './table.ts'

/** Shows the configuration and judges it; with `--live` the login too, with `--health` a running proxy instead. */
export const run: Run = async (args, io) => {
  const flags = parseFlags(CHECK_FLAGS, args)
  if (!flags.ok) return EXIT.usage
  if (flags.values.health === true) return checkHealth(io)
  const loaded = loadConfig(io.env)
  const faulty = new Set(loaded.ok ? [] : loaded.errors.map(({ setting }) => setting))
  io.stdout.write(configTable(describeConfig(loaded), faulty))
  for (const warning of loaded.warnings) io.stderr.write(`Warning: ${formatError(warning)}\n`)
  if (!loaded.ok) {
    for (const error of loaded.errors) io.stderr.write(`Error: ${formatError(error)}\n`)
    return EXIT.usage
  }
  io.stdout.write('\nThe configuration is sound.\n')
  if (flags.values.live !== true) return EXIT.ok
  const { checkLive } = await import('./live.ts')
  return checkLive(loaded.config, io)
}

const NOT_SET = '-'

/** The default stands where something else is in force. */
function configTable(rows: readonly ConfigRow[], faulty: ReadonlySet<string>): string {
  const lines: string[][] = [['SETTING', 'VALUE', 'FROM', 'DEFAULT']]
  let group: string | undefined
  for (const row of rows) {
    if (row.group !== group) lines.push([], [row.group])
    group = row.group
    const { setting, value, source } = row
    const standard = source.from === 'default' ? '' : show(row.default)
    if (isFaulty(setting, faulty)) {
      lines.push([setting, '(error, see below)', NOT_SET, show(row.default)])
    } else {
      lines.push([setting, show(value), sourceText(source), standard])
    }
  }
  return table(lines)
}

/** An error may name the file variable, or the lower-case name of a proxy variable. */
function isFaulty(setting: string, faulty: ReadonlySet<string>): boolean {
  return [setting, `${setting}_FILE`, setting.toLowerCase()].some((name) => faulty.has(name))
}

function show(value: string | undefined): string {
  if (value === undefined) return NOT_SET
  return value === '' ? '(empty)' : value
}
