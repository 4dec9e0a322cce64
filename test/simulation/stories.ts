// Stories: acts that belong together, which random acts seldom combine. A fifth of the seeds play one.
import { SECOND, HOUR, MINUTE } from '../../src/clock.ts'
import { command, type Draw, type Step } from './acts.ts'

/** Switches of iSales, and acts from the start. */
export interface Story {
  readonly switches: Readonly<Record<string, unknown>>
  readonly replicas?: 1 | 3
  readonly steps: readonly Step[]
}

/** Sessions that only the story ends. */
const STEADY = {
  refreshLifetime: 86_400,
  sameToken: 'off',
  singleSession: false,
  refreshEndsOld: false,
  rejectionBody: 'json',
}
const NIGHT = 30 * HOUR

/** A fault of refreshes: a gateway answers, or no program. */
function failedRefresh(draw: Draw, after: number): Step {
  const times = draw.between(1, 3)
  return draw.pick([
    command('failRefresh', { status: 502, times }, after),
    command('failRefresh', { status: 503, times }, after),
    command('html', { operation: 'refresh', status: 502, times }, after),
    command('hang', { operation: 'refresh', times }, after),
    command('reset', { operation: 'refresh', at: 'before-head', times }, after),
  ])
}

const STORIES: readonly ((draw: Draw) => Story)[] = [
  // iSales rejects the login while refreshes keep the token, and some refreshes fail.
  (draw) => ({
    switches: {
      ...STEADY,
      tokenLifetime: draw.pick([10, 20, 60]),
      loginRejection: draw.pick([401, 403, 'result', 500]),
    },
    steps: [
      { kind: 'wrong-file', ms: 150_000, after: 10_000 },
      ...[30, 60, 90, 120].map((at) => failedRefresh(draw, (at + draw.between(0, 20)) * SECOND)),
    ],
  }),
  // The token ends while a refresh hangs.
  (draw) => ({
    switches: { ...STEADY, tokenLifetime: draw.pick([8, 10, 20]) },
    steps: [
      { kind: 'plain', as: 'json', ms: 60_000, after: 5000 },
      command('hang', { operation: 'refresh', seconds: 120 }, 3000),
      ...[10, 30, 50, 70].map((at) => command('revoke', {}, (at + draw.between(0, 15)) * SECOND)),
    ],
  }),
  // iSales rejects calls, and then answers for minutes as if it were down.
  (draw) => ({
    switches: { ...STEADY, tokenLifetime: 300 },
    steps: [
      { kind: 'plain', as: 'json', ms: 40_000, after: 10_000 },
      command(
        'failBusiness',
        { status: draw.pick([401, 403]), executed: false, seconds: draw.between(3, 8) },
        10_000,
      ),
      command('failBusiness', { status: 503, executed: false, seconds: 120 }, 18_000),
    ],
  }),
  // A failed attempt to connect is the last one for 9 s, and then iSales restarts.
  () => ({
    switches: { ...STEADY, tokenLifetime: 300 },
    steps: [20, 60, 100].flatMap((at): Step[] => [
      { kind: 'quiet', ms: 18_000, after: at * SECOND },
      { kind: 'outage', ms: 1000, after: (at + 5) * SECOND },
      { kind: 'plain', as: 'impatient', ms: 100, after: (at + 5) * SECOND + 100 },
      { kind: 'outage', ms: 1000, after: (at + 15) * SECOND },
      { kind: 'plain', as: 'json', ms: 500, after: (at + 15) * SECOND + 100 },
    ]),
  }),
  // iSales has ended the tokens, and grants none for a minute.
  (draw) => ({
    switches: { ...STEADY, tokenLifetime: 300 },
    steps: [
      { kind: 'plain', as: 'json', ms: 90_000, after: 5000 },
      command('failLogin', { status: draw.pick([308, 429, 503]), seconds: 60 }, 14_000),
      command('revoke', {}, 15_000),
      command('revokeRefresh', {}, 15_000),
    ],
  }),
  // More clients keep their connections than there are places, and no call is lost.
  () => ({
    switches: { ...STEADY, tokenLifetime: 300 },
    replicas: 1,
    steps: [
      { kind: 'quiet', ms: 110_000, after: 5000 },
      { kind: 'hold', holding: 'idle', replica: 0, ms: 8000, after: 90_000 },
    ],
  }),
  // A gateway adds an `Origin` to the POSTs of one of two CTI-OBS.
  () => ({
    switches: { ...STEADY, tokenLifetime: 300 },
    steps: (['json', 'origin'] as const).map((as) => ({
      kind: 'plain',
      as,
      ms: 60_000,
      after: 9000,
    })),
  }),
  // The right password is refused, with and without refreshes that fail.
  (draw) => ({
    switches: { ...STEADY, tokenLifetime: draw.pick([10, 20]) },
    replicas: 1,
    steps: [
      command(
        'failLogin',
        draw.pick([
          { status: 403, seconds: 90 },
          { status: 401, seconds: 90 },
          { status: 500, seconds: 90 },
          { status: 500, body: 'Internal Server Error', contentType: 'text/plain', seconds: 90 },
          { status: 403, body: '<html></html>', contentType: 'text/html', seconds: 90 },
        ]),
        15_000,
      ),
      command('hang', { operation: 'login', seconds: 20 }, 120_000),
      command('failRefresh', { status: 401, times: 1 }, 20_000),
      failedRefresh(draw, (40 + draw.between(0, 20)) * SECOND),
      failedRefresh(draw, (120 + draw.between(0, 20)) * SECOND),
    ],
  }),
  // The password changes while iSales processes no login, and replicas refresh the token in turn.
  (draw) => ({
    switches: { ...STEADY, tokenLifetime: draw.pick([8, 10]) },
    replicas: 3,
    steps: [
      command('failLogin', { status: draw.pick([429, 503]), seconds: 60 }, 15_000),
      { kind: 'rotate', first: 'isales', gap: 0, ends: false, after: 20_000 },
    ],
  }),
]

/** 450 refreshes without a call while the rotated secret is wrong, and then one lost answer. */
const NIGHT_STORY: Story = {
  switches: { ...STEADY, tokenLifetime: 300, refreshLifetime: 200_000, loginRejection: 403 },
  replicas: 1,
  steps: [
    { kind: 'quiet', ms: NIGHT, after: 5000 },
    { kind: 'wrong-file', ms: NIGHT + 15 * MINUTE, after: 6000 },
    command('hang', { operation: 'refresh', times: 1 }, NIGHT),
  ],
}

/** The seed of the long night. */
const NIGHT_SEED = 33

/** @returns the story of a seed, if it plays one. */
export function storyOf(seed: number, draw: Draw): Story | undefined {
  if (seed === NIGHT_SEED) return NIGHT_STORY
  return seed % 5 === 3 ? draw.pick(STORIES)(draw) : undefined
}
