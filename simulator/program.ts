import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { createAuthority } from './certificates.ts'
import { COMMANDS, type Commands } from './commands.ts'
import { createSimulator, type SeenRequest, type Simulator, type Switches } from './index.ts'
import { isCommand, runCommand } from './server.ts'
import { changeSwitches, check, SWITCHES } from './switches.ts'

const OPTIONS = {
  help: { type: 'boolean', default: false },
  host: { type: 'string', default: '127.0.0.1' },
  port: { type: 'string', default: '9400' },
  'control-port': { type: 'string', default: '9401' },
  tls: { type: 'boolean', default: false },
  'tls-name': { type: 'string', multiple: true, default: ['localhost', '127.0.0.1'] as string[] },
  'ca-file': { type: 'string', default: '' },
  run: { type: 'string', multiple: true, default: [] as string[] },
} as const

type OptionValues = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values']

const OPTION_TEXTS: Readonly<Record<keyof typeof OPTIONS, string>> = {
  help: 'show this',
  host: 'where both ports listen',
  port: 'for CTI-OBS or for the proxy; 0: a free one',
  'control-port': 'for commands; 0: a free one',
  tls: 'HTTPS, with a certificate that is made at the start',
  'tls-name': 'a DNS name or an address in the certificate; repeatable',
  'ca-file': 'where the CA certificate is written; default: in a new temporary directory',
  run: 'a command at the start, such as failLogin={"status":503,"seconds":20}; repeatable',
}

interface SwitchFlag {
  readonly name: string
  readonly flag: string
  readonly isBoolean: boolean
  /** The placeholder of the value in the usage. */
  readonly choice: string
  readonly takesAnything: boolean
  readonly text: string
  readonly standard: string | number | boolean | readonly string[] | null
}

const SWITCH_FLAGS: readonly SwitchFlag[] = Object.entries(
  z.toJSONSchema(SWITCHES).properties ?? {},
).map(([name, schema]) => {
  const { type, anyOf, flag, description = '', default: standard } = Object(schema)
  const choices: unknown = Object(schema).enum
  return {
    name,
    flag: flag ?? name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
    isBoolean: type === 'boolean',
    choice: Array.isArray(choices) ? choices.join('|') : 'VALUE',
    takesAnything: type === undefined && anyOf === undefined,
    text: description,
    standard,
  }
})

export interface Invocation {
  readonly help: boolean
  readonly host: string
  readonly port: number
  readonly controlPort: number
  readonly tls: boolean
  readonly tlsNames: readonly [string, ...(readonly string[])]
  /** Empty: a file in a new temporary directory. */
  readonly caFile: string
  readonly switches: Switches
  /** Run at the start. */
  readonly commands: readonly { readonly name: keyof Commands; readonly input: object }[]
}

/** @throws {TypeError} if the command line is invalid. */
export function parseInvocation(args: readonly string[]): Invocation {
  const flags = SWITCH_FLAGS.map(({ flag, isBoolean }) => [
    flag,
    { type: isBoolean ? 'boolean' : 'string' } as const,
  ])
  const options = { ...OPTIONS, ...Object.fromEntries(flags) }
  const parsed = parseArgs({ args: [...args], options, allowNegative: true })
  const values = parsed.values as OptionValues
  const given = parsed.values as Readonly<Record<string, string | boolean | undefined>>
  let switches = changeSwitches({}, {})
  for (const flag of SWITCH_FLAGS) {
    const value = given[flag.flag]
    if (value !== undefined) switches = withFlag(switches, flag, value)
  }
  const [firstName = 'localhost', ...otherNames] = values['tls-name']
  return {
    help: values.help,
    host: values.host,
    port: portOf('--port', values.port),
    controlPort: portOf('--control-port', values['control-port']),
    tls: values.tls,
    tlsNames: [firstName, ...otherNames],
    caFile: values['ca-file'],
    switches,
    commands: values.run.map(commandOf),
  }
}

/** Parses text, JSON or a comma-separated list: the first form that the switch accepts. */
function withFlag(
  switches: Switches,
  { flag, name, takesAnything }: SwitchFlag,
  value: string | boolean,
): Switches {
  if (typeof value === 'boolean') return changeSwitches(switches, { [name]: value })
  const json = jsonOf(value)
  const candidates = takesAnything ? [json ?? value] : [value, json, value.split(',')]
  for (const candidate of candidates.filter((candidate) => candidate !== undefined)) {
    try {
      return changeSwitches(switches, { [name]: candidate })
    } catch {
      // The next may fit.
    }
  }
  throw new TypeError(`--${flag} cannot be ${value}`)
}

/** `name` or `name={"json":"object"}`. */
function commandOf(text: string): Invocation['commands'][number] {
  const [name = '', ...rest] = text.split('=')
  const input = rest.length === 0 ? {} : jsonOf(rest.join('='))
  if (!isCommand(name)) throw new TypeError(`--run cannot be ${text}`)
  return { name, input: check(COMMANDS[name], input) }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function portOf(flag: string, text: string): number {
  const port = Number(text)
  if (text !== '' && Number.isInteger(port) && port >= 0 && port < 65_536) return port
  throw new TypeError(`${flag} cannot be ${text}`)
}

/** Every flag with its default. */
export function usage(): string {
  const options = Object.entries(OPTIONS).map(([flag, option]) => ({
    flag: option.type === 'boolean' ? flag : `${flag} VALUE`,
    text: OPTION_TEXTS[flag as keyof typeof OPTIONS],
    standard: option.default,
  }))
  const switches = SWITCH_FLAGS.map(({ flag, isBoolean, choice, text, standard }) => ({
    flag: isBoolean ? `[no-]${flag}` : `${flag} ${choice}`,
    text,
    standard,
  }))
  const lines = [...options, ...switches].map(({ flag, text, standard }) => {
    const shown = typeof standard === 'object' ? (standard ?? []).join() : String(standard)
    return `  --${flag}\n      ${text}${shown === '' ? '' : ` (${shown})`}\n`
  })
  return `usage: npm run simulator -- [flags]\n\n${lines.join('')}`
}

/** Starts the simulator, runs the commands, and prints a line for each request. */
export async function runSimulator(
  invocation: Invocation,
  print: (line: string) => void,
): Promise<Simulator> {
  const { host, port, controlPort, switches } = invocation
  const authority = invocation.tls ? await createAuthority() : undefined
  const tls = await authority?.issue({ names: invocation.tlsNames })
  const simulator = await createSimulator({
    host,
    port,
    controlPort,
    switches,
    ...(tls === undefined ? {} : { tls }),
    onRequest: (seen) => print(lineOf(seen, new Date())),
  })
  for (const { name, input } of invocation.commands) await runCommand(simulator, name, input)
  print(`iSales    ${simulator.origin}`)
  if (authority !== undefined) {
    const caFile =
      invocation.caFile || join(await mkdtemp(join(tmpdir(), 'isales-simulator-')), 'ca.pem')
    await writeFile(caFile, authority.cert)
    print(`CA        ${caFile}`)
  }
  print(`control   ${simulator.controlUrl}`)
  print(`user      ${switches.user}`)
  if (switches.password === changeSwitches({}, {}).password) print(`password  ${switches.password}`)
  return simulator
}

const MAX_PATH = 200

/** Formats a line of closed sets, numbers and the path, without control characters. */
function lineOf({ method, path, status, note, durationMs }: SeenRequest, at: Date): string {
  const time = at.toISOString().slice(11, 23)
  const shown = path.slice(0, MAX_PATH).replace(/[^!-~]/g, '?')
  const took = `${Math.round(durationMs)} ms`
  return `${time}  ${method.padEnd(4)} ${shown}  ${status === 0 ? 'cut' : status}  ${note}, ${took}`
}
