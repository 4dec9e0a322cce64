// Corrects ioredis 6.0 on its class `DataHandler`, which it does not export. After an update of ioredis, try to delete this
// file; test/store/failures.test.ts fails while it is needed.

import { NODE_ERROR_CODES } from '../causes.ts'

interface DataHandler {
  readonly redis: { readonly commandQueue: { shift(): unknown } }
  dispatch(run: () => void): void
  returnFatalError(error: unknown): void
  returnError(error: Error): void
  shiftCommand(reply: unknown): unknown
}

/**
 * - An unrequested or malformed reply (`$-1`, `*-5`) ends the connection, not the process as an error in an event handler.
 * - An error of the parser gets a code, so that an HTTP server does not look like a lost connection.
 * - An error is reduced to its code: ioredis prints some, and takes protected mode for a server that needs no password.
 */
export function fixReplies(module: object): void {
  // The shape of an imported CommonJS module depends on the loader.
  const { prototype } = ('default' in module ? module.default : module) as {
    prototype: DataHandler
  }
  // oxlint-disable-next-line typescript/unbound-method -- they are called with their `this`
  const { returnError, returnFatalError } = prototype
  prototype.returnFatalError = function (error) {
    const { code = NODE_ERROR_CODES.noStore } = Object(error) as { readonly code?: string }
    returnFatalError.call(this, Object.assign(Object(error), { code }))
  }
  prototype.dispatch = function (run) {
    try {
      run()
    } catch (error) {
      this.returnFatalError(error)
    }
  }
  prototype.shiftCommand = function (reply) {
    const item = this.redis.commandQueue.shift()
    if (item === undefined) throw reply instanceof Error ? reply : new Error('no command')
    return item
  }
  prototype.returnError = function (error) {
    if ('code' in error) return returnError.call(this, error)
    const [code = ''] = error.message.split(' ', 1)
    returnError.call(this, Object.assign(error, { code, message: 'error reply' }))
  }
}
