import { constants, openSync } from 'node:fs'
import { isatty } from 'node:tty'
import sonic from 'sonic-boom'
import { readErrorCode } from '../causes.ts'

export type Stdout = ReturnType<typeof openStdout>

/** Opens the destination of lines. `pino.destination` is not used: its exit hook retries forever if the disk is full. */
export function openStdout() {
  const stream = new sonic.SonicBoom({
    fd: openNonBlocking(),
    sync: false,
    // Bytes that wait for a slow reader or a full disk; more are dropped.
    maxLength: 1024 * 1024,
    // At 0, `flush` would not wait for a write in progress.
    minLength: 1,
  })
  let dropped = 0
  let failure: string | undefined
  stream.on('drop', () => (dropped += 1))
  // Full disk or closed pipe: the queue stays, and every further line tries again to write it.
  stream.on('error', (error) => (failure = readErrorCode(error)))
  stream.on('write', () => (failure = undefined))

  return {
    /** Neither throws nor waits: a line that cannot be written is dropped and counted. */
    write: (line: string) => void stream.write(line),
    /** True for a terminal with colors, unless NO_COLOR is set. */
    colors: process.stdout.isTTY && process.stdout.hasColors(),
    /** Lines since the start. */
    dropped: () => dropped,
    /** Returns an error code, such as `ENOSPC`, if the last write failed; otherwise undefined. */
    failure: () => failure,
    /** Resolves when everything is written, or cannot be; within 1 s. Never rejects. */
    flush: () =>
      new Promise<void>((resolve) => {
        setTimeout(resolve, 1000)
        stream.flush(() => resolve())
      }),
  }
}

/** Opens a terminal in non-blocking mode, as Node does with pipes: at exit, Node waits for threads that a slow reader holds. */
function openNonBlocking(): number {
  const { fd } = process.stdout
  if (!isatty(fd)) return fd
  try {
    return openSync(
      `/proc/self/fd/${fd}`,
      constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY,
    )
  } catch {
    return fd
  }
}
