// What ioredis 6.0 gets wrong for this program, on its class `DataHandler`, which it does not export. Try to delete
// this when ioredis is updated; test/store/replies.test.ts fails if it is still needed.

interface DataHandler {
  readonly redis: { readonly commandQueue: { shift(): unknown } }
  dispatch(run: () => void): void
  returnFatalError(error: unknown): void
  returnError(error: Error): void
  shiftCommand(reply: unknown): unknown
}

/**
 * - A reply that nobody asked for, or that is none of its command (`$-1`, `*-5`), is thrown out of an event handler and
 *   ends the process. It ends the connection here: what follows would be taken for the replies of other commands.
 * - The texts of some errors are printed, and searched for words: protected mode is taken for a server that wants no
 *   password. An error is its code here, and nothing is printed.
 */
export function fixReplies(module: object): void {
  // How a CommonJS module is imported depends on who loads it.
  const { prototype } = ('default' in module ? module.default : module) as {
    prototype: DataHandler
  }
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its `this`
  const { returnError } = prototype
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
