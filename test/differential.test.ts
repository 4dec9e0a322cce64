import { assert, property } from 'fast-check'
import { expect, it } from 'vitest'
import * as causes from '../src/causes.ts'
import * as codes from '../src/codes.ts'
import * as summary from '../src/request-summary.ts'
import * as old from './old-codes.ts'
import * as oldSummary from './old-request-summary.ts'
import { summaries } from './support/summaries.ts'

// Compares the tables with the functions that they replace, and is deleted with them in the next commit.
const NODE = [
  ...causes.CAUSE_CODES.flatMap((code) => {
    const { codes: known = [] } = causes.CAUSES[code] as { codes?: readonly (string | RegExp)[] }
    return known.filter((each) => typeof each === 'string')
  }),
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
  'EPROTO',
  'CERT_REVOKED',
  'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE',
  'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
  'ERR_SSL_TLSV1_ALERT_ACCESS_DENIED',
  'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE',
  'CRL_X',
  'ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR',
  'ERR_TLS_X',
  'ERR_OSSL_X',
  'UNABLE_TO_X',
  'INVALID_CA',
  'unknown',
  'toString',
  '__proto__',
  '',
  'ENETDOWN',
  'EIO',
]
const SIDES = ['isales', 'egress', 'store', 'client', 'disk'] as const
const STAGES = [undefined, 'dns', 'connect', 'tls'] as const
const KINDS = ['login', 'refresh', 'call'] as const
let compared = 0
const same = (now: unknown, then: unknown, what: unknown): void => {
  compared += 1
  if (JSON.stringify(now) !== JSON.stringify(then)) expect([what, now]).toEqual([what, then])
}

it('errors have the cause, section and reasons that they had', () => {
  const both = (now: causes.Cause, then: old.Cause, what: unknown): void => {
    same(now, then, what)
    same(causes.toAuthFailure(now), old.toAuthFailure(then), what)
    same(causes.toConnectFailure(now), old.toConnectFailure(then), what)
    for (const kind of KINDS)
      same(causes.toCauseCode(now, kind), old.toCauseCode(then, kind), [what, kind])
  }
  for (const code of NODE.filter((each) => each !== 'toString' && each !== '__proto__')) {
    for (const side of SIDES)
      for (const stage of STAGES)
        for (const plain of [undefined, false, true]) {
          const context = { side, stage, plain }
          both(causes.classifyError(code, context), old.classifyError(code, context), [
            code,
            context,
          ])
        }
    both(causes.classifyDiskError(code), old.classifyDiskError(code), code)
    for (const isReply of [true, false])
      same(causes.classifyStoreError(code, isReply), old.classifyStoreError(code, isReply), code)
    for (const certificate of [undefined, ...NODE.slice(0, 60)])
      same(
        causes.classifyHandshakeError(code, certificate),
        old.classifyHandshakeError(code, certificate),
        [code, certificate],
      )
    same(codes.toListenCode(code), old.toListenCode(code), code)
  }
  for (let status = 0; status < 1000; status += 1) {
    same(causes.isOfGateway(status), old.isOfGateway(status), status)
    for (const shaped of [undefined, true])
      for (const page of [undefined, true])
        for (const plain of [undefined, true]) {
          const info = { status, ...(shaped && { shaped }), ...(page && { page }), plain }
          both(causes.classifyStatus(info), old.classifyStatus(info), info)
        }
  }
  for (const side of SIDES)
    for (const code of causes.CAUSE_CODES)
      both(causes.cause(code, side), old.cause(code, side), [code, side])
  for (const refusal of codes.REFUSAL_REASONS)
    same(codes.toRefusalCode(refusal), old.toRefusalCode(refusal), refusal)
  same([...codes.ALL_CODES].sort(), [...old.ALL_CODES].sort(), 'all codes')
  // A name of Object's prototype is an unknown code.
  expect(causes.classifyDiskError('toString').code).toBe('disk-failed')
})

it('requests have the class that they had', () => {
  const names = (all: readonly { outcome: string; cause: string }[]) =>
    all.map(({ outcome, cause }) => `${outcome} ${cause}`).sort()
  same(names(summary.REQUEST_CLASSES), names(oldSummary.REQUEST_CLASSES), 'classes')
  const run = (each: summary.RequestSummary): void => {
    const now = summary.classifyRequest(each)
    const then = oldSummary.classifyRequest(each)
    same([now.outcome, now.cause], [then.outcome, then.cause], each)
  }
  assert(property(summaries, run), { numRuns: 20_000 })
  const POST = { method: 'POST', target: '/x', requestId: 'a', status: 503 }
  for (const method of ['POST', 'GET'])
    for (const code of [undefined, ...codes.PROBLEM_CODES])
      for (const refusal of [undefined, ...codes.REFUSAL_REASONS])
        for (const cause of [undefined, ...causes.CAUSE_CODES])
          for (const status of [0, 200, 403, 500, 503, 508])
            run({
              ...POST,
              method,
              status,
              code,
              refusal,
              failure: cause && { cause: causes.cause(cause) },
            })
  expect(compared).toBeGreaterThan(400_000)
})
