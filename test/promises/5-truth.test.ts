// Promise 5: state, cause and cure are right within 5 s, in the same words on page, terminal and
// log, in both languages.
import { expect, test } from 'vitest'
import { openTimedWorld } from '../behaviour/session-world.ts'
import { call } from '../support/call.ts'

interface Status {
  readonly state: string
  readonly title: string
}

test.each([
  ['wrong password', { env: { ISALES_PASSWORD: 'out-of-date' } }, 'refused'],
  [
    'an iSales that is gone',
    { prepare: (sim: { down(): unknown }) => sim.down() },
    'unauthenticated',
  ],
])('%s is said in the same words by page, terminal and JSON', async (_name, options, state) => {
  const world = await openTimedWorld({ ready: false, ...options })
  await world.pass(5000)

  for (const language of ['en', 'zh']) {
    const read = async (path: string) => call(`${world.admin}${path}?language=${language}`)
    const status = (await read('/status.json')).json as unknown as Status
    expect([language, status.state]).toEqual([language, state])
    expect((await read('/')).text).toContain(`<h1>${status.title}</h1>`)
    expect((await read('/status.txt')).text).toContain(status.title)
  }
})
