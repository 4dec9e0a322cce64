import type { Refusal } from '../http/index.ts'

/** As Node hands it to `clientError`. */
export interface ParserError extends NodeJS.ErrnoException {
  readonly rawPacket?: Buffer
}

/** RFC 8446 section 5.1: the first byte of a handshake. */
const TLS_HANDSHAKE = 0x16

/** What the parser's error means to the client; undefined when it is gone and nothing can be said. */
export function refusalOf({ code = '', rawPacket }: ParserError): Refusal | undefined {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return 'timeout'
    case 'HPE_HEADER_OVERFLOW':
      return 'headers'
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return 'chunk-extensions'
    case 'HPE_INVALID_METHOD':
      return rawPacket?.[0] === TLS_HANDSHAKE ? 'tls' : 'parser'
    default:
      return code.startsWith('HPE_') ? 'parser' : undefined
  }
}
