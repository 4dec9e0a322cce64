import { LOG_EVENTS, LOG_FIELDS } from '../src/log/events.ts'

/** docs/log.md. */
export function logPage(): string {
  const events = Object.entries(LOG_EVENTS).map(
    ([name, { level, text, doc }]) => `| \`${name}\` | ${level} | ${text}. ${doc} |`,
  )
  const fields = Object.entries(LOG_FIELDS).map(
    ([name, { kind, doc }]) => `| \`${name}\` | ${kind} | ${doc} |`,
  )
  return `<!-- Written by \`npm run docs\` from src/log/events.ts. Do not edit. -->
# The log

One line for each change of state, on stdout. What only repeats a state, such as the tenth failed login of an outage, is written at
\`debug\`. \`LOG_LEVEL\` sets the least level that is written; \`LOG_FORMAT\` chooses between one JSON object a line and lines for a terminal.

\`\`\`json
{"level":"info","time":"2026-03-02T09:41:05.120Z","event":"renewed","operation":"refresh","generation":7,"lifetimeSeconds":300,"durationMs":42,"msg":"Token renewed"}
\`\`\`

Each line has \`level\`, \`time\` (UTC), \`event\` and \`msg\`. The names of events and fields are stable, so alerts may be built on
them; the sentences are for people and may change. The log never delays a request: when nobody reads it, or the disk is full, 1 MiB is kept, and further
lines are dropped and counted in \`isales_proxy_log_lines_dropped_total\`.

## Events

| event | level | meaning |
| --- | --- | --- |
${events.join('\n')}

## Fields

Nothing but these is ever written: no header, no body, no query, no password, no token. Control characters are replaced, text is cut at 512 characters.

| field | kind | meaning |
| --- | --- | --- |
${fields.join('\n')}
`
}
