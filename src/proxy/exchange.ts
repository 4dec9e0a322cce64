import type { UpstreamController, UpstreamRequest } from '../upstream/pool.ts'
import type { Token } from '../token/token.ts'
import type { Call, ForwardOptions } from './call.ts'
import type { AnswerHead } from './response.ts'
import { answerFields, carriesAny, type AnswerFields } from './headers.ts'
import { withTrace } from './trace-fields.ts'

/** One request in the form in which undici takes it. `body` undefined: it is streamed from the client. */
export function requestOf(
  { request, admitted, requestId, span }: Call,
  session: Token,
  body: Buffer | null | undefined,
  requestFields: ForwardOptions['requestFields'],
): UpstreamRequest {
  const { framing, target, maxForwards } = admitted
  const streamed = body === undefined
  const headers = requestFields({
    rawHeaders: request.rawHeaders,
    httpVersion: request.httpVersion,
    headerValue: session.headerValue.reveal(),
    requestId,
    contentLength: streamed && framing !== 'chunked' ? String(framing) : undefined,
    maxForwards,
  })
  return {
    method: request.method ?? 'GET',
    path: target,
    headers: span === undefined ? headers : withTrace(headers, span.outgoing()),
    body: streamed ? request : body,
  }
}

/** The head of an answer, as the client is to get it. */
export type Answer = AnswerHead & AnswerFields

/** @param head as undici gives it. */
export function answerOf(
  { rawHeaders }: UpstreamController,
  { status, reason }: Pick<AnswerHead, 'status' | 'reason'>,
  requestId: string,
  session: Token | undefined,
): Answer {
  const secrets = secretsOf(session)
  const { fields, contentLength, relayable } = answerFields(status, rawHeaders, secrets, requestId)
  return {
    status,
    reason: carriesAny(reason, secrets) ? '' : reason,
    fields,
    contentLength,
    relayable,
  }
}

function secretsOf(session: Token | undefined): readonly string[] {
  if (session === undefined) return []
  const { token, refreshToken } = session
  return refreshToken === undefined ? [token.reveal()] : [token.reveal(), refreshToken.reveal()]
}
