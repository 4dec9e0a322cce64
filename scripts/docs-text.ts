import { EXIT_CODES } from '../src/cli/exit-codes.ts'
import { fold } from '../src/cli/fold.ts'
import {
  describeGroups,
  describeRules,
  describeSettings,
  type SettingDescription,
} from '../src/config/describe.ts'

/** docs/configuration.md. */
export function configurationPage(): string {
  return `<!-- Written by \`npm run docs\` from src/config/settings.ts and src/config/rules.ts. Do not edit. -->
# Configuration

Everything is set by environment variables. \`isales-auth-proxy check\` prints what is in force and where it came from, and names everything that is wrong at
once, with what to do about it; \`check --live\` also logs in, once. [config/example.env](../config/example.env) lists every setting, ready to be filled in.

Three are required: \`ISALES_URL\`, \`ISALES_USER\` and \`ISALES_PASSWORD\`, the latter two also as files.

## How values are written

- **Unset or empty** is the same, save where a setting may be empty. Spaces around a value are dropped, save in users and passwords.
- **Durations**: \`250ms\`, \`2.8s\`, \`5m\`, \`1h\`; a bare number is seconds.
- **Sizes**: \`64KiB\`, \`1.5MiB\`, \`1GiB\`; a bare number is bytes.
- **Lists** are parted by commas.
- **Booleans** are \`true\` or \`false\`.
- **Addresses**: \`127.0.0.1:8080\`, \`[::1]:8080\`, \`:8080\` (all interfaces), \`unix:/run/isales/proxy.sock\`. Port 0 takes a free port and logs it.
- **Files**: where \`NAME_FILE\` stands beside a name, it may name a file that holds the value: UTF-8, at most 64KiB; one line end at its end is no part of the value. To set both
  is a fault. The files of user and password are watched: a changed secret is taken over within two seconds, without a restart. Prefer files: the environment that a process
  was started with can be read in \`/proc\` by its own user, and by whoever may look into the pod.
- **Secrets** are never printed, by no command, log line or page.
- A variable that looks like a misspelt setting is a warning.

${describeGroups()
  .map(
    ([group, title]) =>
      `## ${title}\n\n${settingTable(describeSettings().filter((one) => one.group === group))}`,
  )
  .join('\n\n')}

## Rules between settings

A fault keeps the program from starting; a warning is logged.

${markdownTable(
  ['setting', 'when it', 'what to do', ''],
  [
    ...describeRules().map(({ setting, problem, remedy, severity }) => [
      code(setting),
      problem,
      remedy,
      severity,
    ]),
    ['`NAME` and `NAME_FILE`', 'are both set', 'Unset one of them', 'fault'],
  ],
)}

Certificates and keys are read at the start: a file that is missing or damaged, a key that is encrypted or belongs to another certificate is a fault; a certificate that has expired is a
warning.

## Exit codes

${markdownTable(['code', 'meaning'], EXIT_CODES)}
`
}

function settingTable(settings: readonly SettingDescription[]): string {
  return markdownTable(
    ['setting', 'type', 'default', 'limits', 'what it does', 'example'],
    settings.map((one) => [
      [one.name, one.fileName]
        .filter((name) => name !== undefined)
        .map(code)
        .join(' or '),
      one.name === undefined ? `${one.type} in a file` : one.type,
      defaultText(one),
      one.limits,
      one.doc,
      code(one.example),
    ]),
  )
}

function defaultText(one: SettingDescription): string {
  if (one.required) return '**required**'
  if (one.default === undefined) return ''
  if (one.defaultIsWords) return one.default
  return one.default === '' ? 'empty' : code(one.default)
}

function code(text: string): string {
  return `\`${text}\``
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

/** config/example.env: understood by `docker --env-file`, systemd's EnvironmentFile and a shell's `set -a; .`. */
export function exampleEnv(): string {
  const blocks = describeGroups().map(([group, title]) => {
    const settings = describeSettings().filter((one) => one.group === group)
    return `# ${title}\n# ${'-'.repeat(title.length)}\n\n${settings.map(envEntry).join('\n')}`
  })
  return `# Written by \`npm run docs\` from src/config/settings.ts. Copy it before you edit it.
# Every setting; those with a # before them are at their default, or unset. See docs/configuration.md.

${blocks.join('\n')}`
}

function envEntry(one: SettingDescription): string {
  const name = one.name ?? one.fileName ?? ''
  const notes = [
    one.doc.replaceAll('`', ''),
    ...(one.limits === '' ? [] : [`Limits: ${one.limits}.`]),
    ...(one.name === undefined || one.fileName === undefined
      ? []
      : [`Or ${one.fileName}: a file that holds it.`]),
    ...(one.defaultIsWords ? [`Default: ${one.default?.replaceAll('`', '')}.`] : []),
  ]
  const value =
    one.required || one.default === undefined || one.defaultIsWords ? one.example : one.default
  const comment = fold(notes.join(' '), 98).map((line) => `# ${line}\n`)
  return `${comment.join('')}${one.required ? '' : '#'}${name}=${value}\n`
}
