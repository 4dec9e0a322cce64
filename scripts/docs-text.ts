import { en, WORDS, type Words } from '../src/words/index.ts'
import { EXIT_CODES } from '../src/cli/exit-codes.ts'
import { fold } from '../src/terminal.ts'
import { INSECURE_NODE, RULES } from '../src/config/rules.ts'
import { SETTING_LIST, type Setting } from '../src/config/settings.ts'

const { zh } = WORDS
const GROUPS = [...new Set(SETTING_LIST.map(({ group }) => group))]

/** docs/configuration.md. */
export function configurationPage(): string {
  return `<!-- Written by \`npm run docs\` from src/config/settings.ts, src/config/rules.ts and src/words/en-settings.ts. Do not edit. -->
# Configuration

[中文](configuration.zh-CN.md)

Everything is set by environment variables. \`isales-auth-proxy check\` prints what is in force and where it came from, and names everything that is wrong at
once, with what to do about it; \`check --live\` also logs in, once. Commands speak Chinese where the locale is Chinese (\`LC_ALL\`, \`LC_MESSAGES\`, \`LANG\`);
the log is in English. [config/example.env](../config/example.env) lists every setting, ready to be filled in.

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

${settingTables(en, ['setting', 'type', 'default', 'limits', 'what it does', 'example'])}

## Rules between settings

An error keeps the program from starting; a warning is logged.

${ruleTable(en, ['setting', 'when it', 'what to do', ''])}

Certificates and keys are read at the start: a file that is missing or damaged, a key that is encrypted or belongs to another certificate is an error; a certificate that has expired is a
warning.

## Exit codes

${markdownTable(['code', 'meaning'], exitCodeRows(en))}
`
}

/** docs/configuration.zh-CN.md. */
export function configurationPageInChinese(): string {
  return `<!-- Written by \`npm run docs\` from src/config/settings.ts, src/config/rules.ts and src/words/zh-settings.ts. Do not edit. -->
# 配置

[English](configuration.md)

一切都用环境变量设置。\`isales-auth-proxy check\` 显示生效的值及其来源，并一次指出所有错误和处理办法；\`check --live\` 还会登录一次。
区域设置（\`LC_ALL\`、\`LC_MESSAGES\`、\`LANG\`）为中文时，命令使用中文；日志总是英文。
[config/example.env](../config/example.env) 列出所有设置，可供填写。

有三个必填：\`ISALES_URL\`、\`ISALES_USER\` 和 \`ISALES_PASSWORD\`，后两个也可以用文件给出。

## 值的写法

- **未设置**与**空**相同，除非设置可以为空。值前后的空格会去掉，用户名和密码除外。
- **时长**：\`250ms\`、\`2.8s\`、\`5m\`、\`1h\`；没有单位的数字是秒。
- **大小**：\`64KiB\`、\`1.5MiB\`、\`1GiB\`；没有单位的数字是字节。
- **列表**用逗号分隔。
- **布尔值**是 \`true\` 或 \`false\`。
- **地址**：\`127.0.0.1:8080\`、\`[::1]:8080\`、\`:8080\`（所有接口）。端口 0 表示取一个空闲端口并写入日志。
- **文件**：名称旁边有 \`NAME_FILE\` 时，它可以指定包含该值的文件：UTF-8，最多 64KiB；末尾的一个换行不属于该值。两者同时设置是错误。
  用户名和密码的文件会被监视：修改后的用户名或密码在三秒内生效，无须重启。建议使用文件：进程启动时的环境可以在 \`/proc\` 中被同一用户读取，能查看该 Pod 的人也能看到。
- **机密**绝不显示，无论是命令、日志还是页面。
- 看起来像是拼错的设置的变量会得到警告。

${settingTables(zh, ['设置', '类型', '默认值', '限制', '作用', '示例'])}

## 设置之间的规则

错误会阻止程序启动；警告会写入日志。

${ruleTable(zh, ['设置', '何时', '处理办法', ''])}

证书和密钥在启动时读取：文件不存在或已损坏，私钥是加密的或属于另一张证书，都是错误；证书已过期是警告。

## 退出码

${markdownTable(['退出码', '含义'], exitCodeRows(zh))}
`
}

function settingTables(words: Words, head: readonly string[]): string {
  return GROUPS.map((group) => {
    const rows = SETTING_LIST.filter((one) => one.group === group).map((one) => rowOf(one, words))
    return `## ${words.settings.groups[group]}\n\n${markdownTable(head, rows)}`
  }).join('\n\n')
}

function rowOf(one: Setting, { help, settings }: Words): readonly string[] {
  const type = one.type(settings)
  return [
    help.or(one.variables.map(code)),
    one.inFile === 'only' ? settings.types.inFile(type) : type,
    defaultText(one, { help, settings }),
    one.limits(settings),
    one.doc(settings),
    code(one.example),
  ]
}

function defaultText(one: Setting, { help, settings }: Pick<Words, 'help' | 'settings'>): string {
  if (one.required) return `**${help.isRequired}**`
  if (one.derived !== undefined) return one.derived(settings)
  if (one.default === undefined) return ''
  return one.default === '' ? help.empty : code(one.default)
}

function ruleTable({ check, settings }: Words, head: readonly string[]): string {
  const labels = { error: check.error, warning: check.warning }
  return markdownTable(head, [
    ...[...RULES, INSECURE_NODE].map(({ setting, said, severity }) => {
      const [problem, remedy] = said(settings)
      return [code(setting), problem, remedy, labels[severity].toLowerCase()]
    }),
    ['`NAME`', ...settings.given.twice('`NAME_FILE`'), labels.error.toLowerCase()],
  ])
}

function exitCodeRows({ exitCodes }: Words): readonly (readonly string[])[] {
  return EXIT_CODES.map(([code, meaning]) => [code, exitCodes[meaning]])
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
    const title = en.settings.groups[group]
    return `# ${title}\n# ${'-'.repeat(title.length)}\n\n${settings.map(envEntry).join('\n')}`
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
  const { settings } = en
  const limits = one.limits(settings)
  const notes = [
    one.doc(settings).replaceAll('`', ''),
    ...(limits === '' ? [] : [`Limits: ${limits}.`]),
    ...(fileName === undefined || fileName === name
      ? []
      : [`Or ${fileName}: a file that holds it.`]),
    ...(one.derived === undefined
      ? []
      : [`Default: ${one.derived(settings).replaceAll('`', '')}.`]),
  ]
  const value = one.default ?? one.example
  const comment = fold(notes.join(' '), 98).map((line) => `# ${line}\n`)
  return `${comment.join('')}${one.required ? '' : '#'}${name}=${value}\n`
}
