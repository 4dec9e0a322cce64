import type { Refusal } from '../http/problem.ts'

const REFUSAL_OF: Readonly<Record<string, Refusal>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'timeout',
  HPE_HEADER_OVERFLOW: 'headers',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'chunk-extensions',
  HPE_INVALID_CHUNK_SIZE: 'chunk',
  HPE_STRICT: 'chunk',
  HPE_INVALID_VERSION: 'http-version',
  HPE_PAUSED_H2_UPGRADE: 'http-version',
  HPE_INVALID_URL: 'target',
  HPE_INVALID_CONSTANT: 'target',
  HPE_INVALID_CONTENT_LENGTH: 'content-length',
  HPE_UNEXPECTED_CONTENT_LENGTH: 'content-length',
  HPE_INVALID_TRANSFER_ENCODING: 'transfer-encoding',
  HPE_INVALID_HEADER_TOKEN: 'header',
  HPE_UNEXPECTED_SPACE: 'header',
  HPE_CR_EXPECTED: 'line-end',
  HPE_LF_EXPECTED: 'line-end',
}

/** As Node hands it to `clientError`. */
export interface ParserError extends NodeJS.ErrnoException {
  readonly rawPacket?: Buffer
  readonly bytesParsed?: number
}

const REQUEST_LINE = /^[!#$%&'*+.^_`|~\w-]+ \S+ HTTP\/1\.[01]\r\n/

/** RFC 8446 section 5.1: the first byte of a handshake. */
const TLS_HANDSHAKE = 0x16

/** What the parser's error means to the client; undefined when it is gone and nothing can be said. */
export function refusalOf(error: ParserError): Refusal | undefined {
  const { code = '' } = error
  if (!code.startsWith('HPE_')) return REFUSAL_OF[code]
  if (code === 'HPE_INVALID_METHOD') {
    if (error.rawPacket?.[0] === TLS_HANDSHAKE) return 'tls'
    return REQUEST_LINE.test(failedRequest(error)) ? 'unknown-method' : 'parser'
  }
  if (code !== 'HPE_INVALID_HEADER_TOKEN' && code !== 'HPE_INVALID_VERSION')
    return REFUSAL_OF[code] ?? 'parser'
  // One code for several mistakes: the last bytes that the parser took, and the next one, say which.
  const { rawPacket, bytesParsed = 0 } = error
  const bytes = rawPacket?.toString('latin1', bytesParsed - 2, bytesParsed + 1) ?? ''
  if (/^\r\n[ \t]/.test(bytes)) return 'line-fold'
  return /^[^\r]\n/.test(bytes) ? 'line-end' : REFUSAL_OF[code]
}

/** The beginning of the request that could not be read; others may stand before it in the packet. */
function failedRequest({ rawPacket, bytesParsed = 0 }: ParserError): string {
  const before = rawPacket?.lastIndexOf('\r\n\r\n', bytesParsed) ?? -1
  return rawPacket?.toString('latin1', before === -1 ? 0 : before + 4) ?? ''
}
