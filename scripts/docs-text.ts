import { EXIT_CODES } from '../src/cli/exit-codes.ts'
import { fold } from '../src/terminal.ts'
import { INSECURE_NODE, RULES } from '../src/config/rules.ts'
import { SETTING_LIST, type Setting } from '../src/config/settings.ts'

const GROUPS = [...new Set(SETTING_LIST.map(({ group }) => group))]

/** docs/configuration.md. */
export function configurationPage(): string {
  return `<!-- Written by \`npm run docs\` from src/config/settings.ts and src/config/rules.ts. Do not edit. -->
# Configuration

Everything is set by environment variables. \`isales-auth-proxy check\` prints what is in force and where it came from, and names everything that is wrong at
once, with what to do about it; \`check --live\` also logs in, once. [config/example.env](../config/example.env) lists every setting, ready to be filled in.

Three are required: \`ISALES_URL\`, \`ISALES_USER\` and \`ISALES_PASSWORD\`, the latter two also as files.

## How values are written

- **Unset or empty** is the same, except where a setting may be empty. Spaces around a value are dropped, except in users and passwords.
- **Durations**: \`250ms\`, \`2.8s\`, \`5m\`, \`1h\`; a bare number is seconds.
- **Sizes**: \`64KiB\`, \`1.5MiB\`, \`1GiB\`; a bare number is bytes.
- **Lists** are separated by commas.
- **Booleans** are \`true\` or \`false\`.
- **Addresses**: \`127.0.0.1:8080\`, \`[::1]:8080\`, \`:8080\` (all interfaces). Port 0 takes a free port and logs it.
- **Files**: where \`NAME_FILE\` stands beside a name, it may name a file that holds the value: UTF-8, at most 64KiB; one line end at its end is no part of the value. To set both
  is an error. The files of user and password are watched: a changed secret is used within three seconds, without a restart. Prefer files: the environment that a process
  was started with can be read in \`/proc\` by its own user, and by whoever may look into the pod.
- **Secrets** are never printed, by no command, log line or page.
- A variable that looks like a misspelt setting is a warning.

${GROUPS.map((group) => `## ${group}\n\n${settingTable(group)}`).join('\n\n')}

## Rules between settings

An error keeps the program from starting; a warning is logged.

${markdownTable(
  ['setting', 'when it', 'what to do', ''],
  [
    ...[...RULES, INSECURE_NODE].map(({ setting, problem, remedy, severity }) => [
      code(setting),
      problem,
      remedy,
      severity,
    ]),
    ['`NAME` and `NAME_FILE`', 'are both set', 'Unset one of them', 'error'],
  ],
)}

Certificates and keys are read at the start: a file that is missing or damaged, a key that is encrypted or belongs to another certificate is an error; a certificate that has expired is a
warning.

## Exit codes

${markdownTable(['code', 'meaning'], EXIT_CODES)}
`
}

function settingTable(group: string): string {
  return markdownTable(
    ['setting', 'type', 'default', 'limits', 'what it does', 'example'],
    SETTING_LIST.filter((one) => one.group === group).map((one) => [
      one.variables.map(code).join(' or '),
      one.inFile === 'only' ? `${one.type} in a file` : one.type,
      defaultText(one),
      one.limits,
      one.doc,
      code(one.example),
    ]),
  )
}

function defaultText(one: Setting): string {
  if (one.required) return '**required**'
  if (one.derived !== undefined) return one.derived
  if (one.default === undefined) return ''
  return one.default === '' ? 'empty' : code(one.default)
}

function code(text: string): string {
  return `\`${text}\``
}

export function markdownTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** config/example.env: understood by `docker --env-file`, systemd's EnvironmentFile and a shell's `set -a; .`. */
export function exampleEnv(): string {
  const blocks = GROUPS.map((group) => {
    const settings = SETTING_LIST.filter((one) => one.group === group)
    return `# ${group}\n# ${'-'.repeat(group.length)}\n\n${settings.map(envEntry).join('\n')}`
  })
  return `# Written by \`npm run docs\` from src/config/settings.ts. Copy it before you edit it.
# Every setting; those with a # before them are at their default, or unset. See docs/configuration.md.

${blocks.join('\n')}`
}

function envEntry(one: Setting): string {
  const {
    fileName,
    variables: [name = ''],
  } = one
  const notes = [
    one.doc.replaceAll('`', ''),
    ...(one.limits === '' ? [] : [`Limits: ${one.limits}.`]),
    ...(fileName === undefined || fileName === name
      ? []
      : [`Or ${fileName}: a file that holds it.`]),
    ...(one.derived === undefined ? [] : [`Default: ${one.derived.replaceAll('`', '')}.`]),
  ]
  const value = one.default ?? one.example
  const comment = fold(notes.join(' '), 98).map((line) => `# ${line}\n`)
  return `${comment.join('')}${one.required ? '' : '#'}${name}=${value}\n`
}
