import { constants, openSync } from 'node:fs'
import { isatty } from 'node:tty'
import sonic from 'sonic-boom'

/** Where lines go. Writing neither throws nor waits: what cannot be written is dropped and counted. */
export interface Stdout {
  readonly write: (line: string) => void
  /** It is a terminal with colours, and NO_COLOR is not set. */
  readonly colors: boolean
  /** Lines dropped since the start. */
  readonly dropped: () => number
  /** Resolves when everything is written, or cannot be; after 1 s at the latest. Never rejects. */
  readonly flush: () => Promise<void>
}

/** Bytes that wait for a reader that is slow or a disk that is full; more are dropped. */
const MAX_QUEUE = 1024 * 1024
/** Milliseconds. */
const MAX_FLUSH = 1000

/**
 * pino's own destination, without `pino.destination`, which adds an exit hook: its `flushSync` retries
 * for ever when the disk is full, and the process never ends.
 */
export function openStdout(): Stdout {
  const stream = new sonic.SonicBoom({
    fd: openNonBlocking(),
    sync: false,
    maxLength: MAX_QUEUE,
    // At 0, `flush` would not wait for a write in progress.
    minLength: 1,
  })
  let dropped = 0
  stream.on('drop', () => {
    dropped += 1
  })
  // A full disk, a closed pipe. The queue stays, and each further line tries again to write it.
  stream.on('error', () => undefined)

  return {
    write(line) {
      stream.write(line)
    },
    colors: process.stdout.isTTY && process.stdout.hasColors(),
    dropped: () => dropped,
    flush: () =>
      new Promise((resolve) => {
        setTimeout(resolve, MAX_FLUSH)
        stream.flush(() => resolve())
      }),
  }
}

/**
 * A blocking write to a reader that does not read would hold a thread, and Node waits for its threads
 * when it exits. Node makes a pipe or socket non-blocking when `process.stdout` is first read; a
 * terminal has to be opened once more.
 */
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
