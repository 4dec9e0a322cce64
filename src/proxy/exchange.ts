import type { UpstreamController, UpstreamRequest } from '../net/upstream.ts'
import type { Session } from '../session/session.ts'
import type { Call, ForwardOptions } from './call.ts'
import { answerFields, type AnswerFields } from './headers.ts'
import { withTrace } from './trace-fields.ts'

/** One request in the form in which undici takes it. `body` undefined: it is streamed from the client. */
export function requestOf(
  { request, admitted, requestId, span }: Call,
  session: Session,
  body: Buffer | null | undefined,
  requestFields: ForwardOptions['requestFields'],
): UpstreamRequest {
  const { framing, target, maxForwards } = admitted
  const streamed = body === undefined
  const method = request.method ?? 'GET'
  const headers = requestFields({
    rawHeaders: request.rawHeaders,
    httpVersion: request.httpVersion,
    credential: session.credential.reveal(),
    requestId,
    contentLength: streamed && framing !== 'chunked' ? String(framing) : undefined,
    maxForwards,
  })
  return {
    method,
    path: target,
    headers: span === undefined ? headers : withTrace(headers, span.outgoing()),
    body: streamed ? request : body,
    // undici closes the connection after a HEAD unless told otherwise.
    ...(method === 'HEAD' ? { reset: false } : {}),
  }
}

/** The head of an answer in the form in which undici gives it, as the client is to get it. */
export function answerOf(
  controller: UpstreamController,
  status: number,
  requestId: string,
  session: Session | undefined,
): AnswerFields {
  return answerFields(status, controller.rawHeaders, secretsOf(session), requestId)
}

function secretsOf(session: Session | undefined): readonly string[] {
  if (session === undefined) return []
  const { token, refreshToken } = session
  return refreshToken === undefined ? [token.reveal()] : [token.reveal(), refreshToken.reveal()]
}
