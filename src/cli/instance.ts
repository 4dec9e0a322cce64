import { readSmallFile, type Environment, type ReadFile } from '../config/index.ts'
import { wordsOf } from '../words/index.ts'

/** As docs/vm.md says; no name leads out of /etc. */
const NAME = /^[\w-]{1,20}$/
/** Bytes; no env file is longer. */
const MAX_FILE = 64 * 1024

/**
 * The environment of a proxy that systemd runs, as far as a command needs it: its env file, its files of user and
 * password, its directory of state. A text says why there is none.
 *
 * @param name of `isales-auth-proxy@NAME`; `-` is the service without one.
 */
export function instanceEnvironment(
  name: string,
  env: Environment,
  readFile: ReadFile = readSmallFile,
): Environment | string {
  const { command } = wordsOf(env)
  if (!NAME.test(name)) return command.notInstance
  const service = name === '-' ? 'isales-auth-proxy' : `isales-auth-proxy@${name}`
  const directory = `/etc/${service}`
  const file = readFile(`${directory}/env`, MAX_FILE)
  if (!file.ok) return command.noInstance(`${directory}/env`)
  return {
    ...env,
    ISALES_USER_FILE: `${directory}/user`,
    ISALES_PASSWORD_FILE: `${directory}/password`,
    STATE_DIR: `/var/lib/${service}`,
    ...parseEnvironmentFile(new TextDecoder().decode(file.bytes)),
  }
}

const SPACE = /[ \t\r\n]/
const LINE_END = /[\r\n]/
/** What a backslash escapes between double quotes. */
const ESCAPED = /["\\`$]/

/**
 * Reads what `EnvironmentFile=` of systemd.exec(5) reads, as `parse_env_file` of systemd 257 does: comments only at the
 * beginning of a line, quotes only at the beginning of a value, a backslash that joins lines, and no `export`.
 */
export function parseEnvironmentFile(text: string): Environment {
  const environment: Record<string, string> = {}
  let at = 0
  const skip = (pattern: RegExp): void => {
    while (at < text.length && pattern.test(text.charAt(at))) at += 1
  }
  while (at < text.length) {
    skip(SPACE)
    const isComment = /[#;]/.test(text.charAt(at))
    const begin = at
    skip(isComment ? /[^\r\n]/ : /[^=\r\n]/)
    if (text.charAt(at) !== '=') continue
    const name = text.slice(begin, at).trimEnd()
    at += 1
    const value = readValue()
    if (/^[A-Za-z_]\w*$/.test(name)) environment[name] = value
  }
  return environment

  /** From behind the = to the end of the line. */
  function readValue(): string {
    let value = ''
    for (;;) {
      skip(/[ \t]/)
      const quote = text.charAt(at)
      if (quote !== '"' && quote !== "'") return value + readBare()
      at += 1
      value += readQuoted(quote)
    }
  }

  function readQuoted(quote: string): string {
    let value = ''
    for (; at < text.length && text.charAt(at) !== quote; at += 1) {
      if (quote === "'" || text.charAt(at) !== '\\') value += text.charAt(at)
      else {
        at += 1
        const next = text.charAt(at)
        value += ESCAPED.test(next) ? next : next === '\n' ? '' : `\\${next}`
      }
    }
    at += 1
    return value
  }

  /** Without the white space at its end, unless a backslash is before it. */
  function readBare(): string {
    let value = ''
    let length = 0
    for (; at < text.length && !LINE_END.test(text.charAt(at)); at += 1) {
      const isEscape = text.charAt(at) === '\\'
      if (isEscape) at += 1
      const next = text.charAt(at)
      if (!(isEscape && LINE_END.test(next))) value += next
      if (isEscape || !SPACE.test(next)) ({ length } = value)
    }
    return value.slice(0, length)
  }
}
