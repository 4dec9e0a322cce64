import { PROBLEMS } from '../http/problem.ts'
import { ShareBar } from './status-charts.tsx'
import type { EffectiveSetting, OccurrencesStatus, Status } from './status.ts'
import { BACKOFFS, REASONS, ago, duration, number, until } from './words.ts'

export function Renewal({ status }: { status: Status }) {
  const { exchange, nextInSeconds, backoff, failuresInRow, lastSuccessAt } = status.renewal
  const planned = nextInSeconds === null ? 'not planned' : `in ${duration(nextInSeconds)}`
  return (
    <section>
      <h2>Renewal</h2>
      <dl class="facts">
        <dt>{failuresInRow > 0 ? 'Next attempt' : 'Next renewal'}</dt>
        <dd>{exchange === null ? planned : `${exchange} under way`}</dd>
        <dt>Back-off</dt>
        <dd class={backoff === 'none' ? '' : 'tone'}>{BACKOFFS[backoff]}</dd>
        <dt>Failed in a row</dt>
        <dd class={failuresInRow === 0 ? '' : 'tone'}>{number(failuresInRow)}</dd>
        <dt>Last success</dt>
        <dd>{lastSuccessAt === null ? 'never' : ago(lastSuccessAt, status.time)}</dd>
      </dl>
    </section>
  )
}

export function Sessions({ status }: { status: Status }) {
  const { token, conflicts, rejections, credentialChanges, time } = status
  return (
    <section>
      <h2>Session</h2>
      <dl class="facts">
        <dt>Tokens so far</dt>
        <dd>{number(token?.generation ?? 0)}</dd>
        <dt>Refresh token</dt>
        <dd>{refreshToken(status)}</dd>
        <dt>Rejected early</dt>
        <dd>{occurrences(rejections, time)}</dd>
        <dt>Conflicts</dt>
        <dd>{occurrences(conflicts, time)}</dd>
        <dt>Secret changed</dt>
        <dd>{occurrences(credentialChanges, time)}</dd>
      </dl>
    </section>
  )
}

function refreshToken({ token, time }: Status): string {
  if (token === null) return 'none'
  const end = token.refreshTokenExpiresAt
  return end === null ? 'end not known' : until(end, time)
}

function occurrences({ count, lastAt }: OccurrencesStatus, time: string): string {
  return lastAt === null ? 'never' : `${number(count)}, last ${ago(lastAt, time)}`
}

export function Requests({ status }: { status: Status }) {
  const { total, inFlight, waitingForToken, byStatusClass, replays } = status.requests
  return (
    <section>
      <h2>Requests</h2>
      <ShareBar counts={byStatusClass} />
      <dl class="facts">
        <dt>Answered</dt>
        <dd>{number(total)}</dd>
        {Object.entries(byStatusClass)
          .filter(([name, count]) => name === '2xx' || count > 0)
          .map(([name, count]) => (
            <>
              <dt>with {name}</dt>
              <dd>{number(count)}</dd>
            </>
          ))}
        <dt>Under way</dt>
        <dd>{number(inFlight)}</dd>
        <dt>Waiting for a token</dt>
        <dd>{number(waitingForToken)}</dd>
        <dt>Healed by a replay</dt>
        <dd>{number(replays['healed'] ?? 0)}</dd>
      </dl>
    </section>
  )
}

export function Failures({ status }: { status: Status }) {
  return (
    <section>
      <h2>Failed logins and refreshes</h2>
      <table>
        {Object.entries(REASONS).map(([reason, words]) => {
          const count = status.failures[reason as keyof typeof REASONS]
          return (
            <tr class={count === 0 ? 'zero' : ''}>
              <th scope="row">{reason}</th>
              <td>{words}</td>
              <td class="count">{number(count)}</td>
            </tr>
          )
        })}
      </table>
    </section>
  )
}

export function Errors({ status }: { status: Status }) {
  const errors = Object.entries(status.requests.errors)
  return (
    <section>
      <h2>Errors answered by the proxy itself</h2>
      {errors.length === 0 ? (
        <p class="note">None since the start.</p>
      ) : (
        <table>
          {errors.map(([code, count]) => (
            <tr>
              <th scope="row">{code}</th>
              <td>{titleOf(code)}</td>
              <td class="count">{number(count)}</td>
            </tr>
          ))}
        </table>
      )}
    </section>
  )
}

function titleOf(code: string): string {
  return Object.entries(PROBLEMS).find(([name]) => name === code)?.[1].title ?? ''
}

export function Settings({ settings }: { settings: readonly EffectiveSetting[] }) {
  const set = settings.filter(({ source }) => source !== 'default')
  const defaults = settings.filter(({ source }) => source === 'default')
  return (
    <section>
      <h2>Configuration</h2>
      <h3>Set for this instance</h3>
      <SettingTable settings={set} origin />
      <h3>Defaults</h3>
      <SettingTable settings={defaults} />
    </section>
  )
}

function SettingTable(props: { settings: readonly EffectiveSetting[]; origin?: boolean }) {
  const { settings, origin = false } = props
  if (settings.length === 0) return <p class="note">None.</p>
  return (
    <table class="settings">
      <thead>
        <tr>
          <th scope="col">Setting</th>
          <th scope="col">Value</th>
          {origin && <th scope="col">From</th>}
        </tr>
      </thead>
      <tbody>
        {settings.map(({ name, value, source }) => (
          <tr>
            <th scope="row">
              <code>{name}</code>
            </th>
            <td>
              <Value value={value} />
            </td>
            {origin && <td class="note">{source}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Value({ value }: { value: string | null }) {
  if (value === null || value === '') {
    return <span class="note">{value === null ? 'not set' : 'empty'}</span>
  }
  return <code>{value}</code>
}
