import { describe, expect, it } from 'vitest'
import { run } from '../../demo/demo.ts'

/** Runs the demo until it ends or writes `stopAt`, and returns its output. */
async function perform(args: readonly string[], isTTY = false, stopAt?: RegExp) {
  const stop = new AbortController()
  let out = ''
  let err = ''
  const write = (text: string): void => {
    out += text
    if (stopAt?.test(out)) stop.abort()
  }
  const stdout = { columns: 120, write }
  const stderr = { write: (text: string) => (err += text) }
  const code = await run(args, { stdout, stderr, env: {}, isTTY, signal: stop.signal })
  return { code, out, err }
}

/** A live line with a token and a request. */
const LIVE = /━+.*token 1.*m[1-9]\d* requests.*failed/

describe.concurrent('the demo', () => {
  it('renews, replaces a revoked token and ends by itself, in plain lines', async () => {
    // Long enough to renew before the revocation even if the machine stalls for a second.
    const { code, out, err } = await perform(['--seconds', '10'])
    expect(out).toMatch(/● logged in token 1, good for 6 s/)
    expect(out).toMatch(/◆ CTI-OBS {3}logged in at the proxy, good for 3600 s/)
    // If three calls are rejected before the new token arrives, the log has a finding in between.
    expect(out).toMatch(
      /⚡ revoked[^\n]*\n(?:[^\n]*✘ proxy[^\n]*\n)?[^\n]*✔ healed {4}token \d, good for 6 s, after \d+ ms; \d+ requests? w/,
    )
    expect(out).toMatch(/↻ renewed {3}token \d, good for 6 s, by refresh token/)
    expect(out).toMatch(/requests +[\d,]+ {3}all succeeded/)
    expect(out).toMatch(/renewals +[1-9]/)
    expect(out).toMatch(/revocations +1\/1 {3}healed/)
    expect(out).toMatch(/results written for the numbers handed out, none twice/)
    expect(out).not.toContain('\u001b')
    expect([code, err]).toEqual([0, ''])
  }, 20_000)

  it('shows a live line and colors on a terminal, over TLS, and a summary when it is interrupted', async () => {
    const { code, out } = await perform(['--tls'], true, LIVE)
    expect(out).toContain('https://127.0.0.1:')
    expect(out).toMatch(LIVE)
    expect(out).toContain('\u001b[32m')
    expect(out).toMatch(/all succeeded/)
    expect(out.lastIndexOf('\u001b[?25h')).toBeGreaterThan(out.lastIndexOf('\u001b[?25l'))
    expect(code).toBe(0)
  }, 20_000)
})
