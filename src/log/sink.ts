import { pino, type DestinationStream } from 'pino'

export type LogFormat = 'json' | 'pretty'

/** Where lines go. */
export interface Sink {
  readonly stream: DestinationStream
  /** Writes the lines that wait for others. */
  readonly release: () => void
  /** Writes out what is still in memory; for the end of the process. */
  readonly flush: () => void
}

/** A log that stops being read keeps at most so much in memory; what comes after is dropped. */
const LONGEST_BACKLOG = 1024 * 1024

/** Lines are written so many bytes at a time, or after so many milliseconds: a write costs more than the line. */
const BATCH = 16 * 1024
const LONGEST_WAIT = 100
/** Bytes of a UTF-16 unit in UTF-8, at most. */
const LARGEST_CHARACTER = 3

/** Unlike process.stdout it survives a closed pipe. Neither a slow nor a stuck reader of the JSON holds requests up. */
export async function openStdout(format: LogFormat): Promise<Sink> {
  const options = { fd: 1, maxLength: LONGEST_BACKLOG }
  if (format === 'pretty') {
    const stdout = pino.destination({ ...options, sync: true })
    const stream = await prettify(stdout, process.stdout.isTTY)
    return { stream, release: () => undefined, flush: () => stdout.flushSync() }
  }
  const stdout = pino.destination({ ...options, sync: false, contentMode: 'buffer' })
  // The types of pino's destination know its strings only.
  const batch = openBatch(stdout as unknown as ByteStream)
  return {
    stream: batch,
    release: batch.release,
    flush() {
      batch.release()
      stdout.flushSync()
    },
  }
}

/** For a destination that is not ours: line by line. */
export async function sinkTo(destination: DestinationStream, format: LogFormat): Promise<Sink> {
  const stream = format === 'json' ? destination : await prettify(destination, false)
  return { stream, release: () => undefined, flush: () => undefined }
}

/** Takes bytes; what pino's own destination is when it is told so. */
interface ByteStream {
  write(bytes: Buffer): unknown
}

/**
 * Lines are put into bytes one by one: what pino makes is a tree of strings, and to flatten that of a whole batch takes
 * three times as long as to make it.
 */
function openBatch(destination: ByteStream): DestinationStream & { readonly release: () => void } {
  let batch = Buffer.allocUnsafeSlow(BATCH)
  let used = 0
  let waiting: NodeJS.Timeout | undefined
  const release = (): void => {
    clearTimeout(waiting)
    waiting = undefined
    if (used === 0) return
    destination.write(batch.subarray(0, used))
    // The one that was released belongs to the destination until it is written.
    batch = Buffer.allocUnsafeSlow(BATCH)
    used = 0
  }
  return {
    write(line) {
      const most = line.length * LARGEST_CHARACTER
      if (most > BATCH - used) release()
      if (most > BATCH) {
        destination.write(Buffer.from(line))
        return
      }
      used += batch.write(line, used)
      waiting ??= setTimeout(release, LONGEST_WAIT).unref()
    },
    release,
  }
}

/** Line by line in this process: pino's own way is a worker thread, which costs 10 MiB and loses the last lines. */
async function prettify(
  destination: DestinationStream,
  terminal: boolean,
): Promise<DestinationStream> {
  // In the bundle a CommonJS package has no named exports.
  const { default: pinoPretty } = await import('pino-pretty')
  const pretty = pinoPretty.prettyFactory({
    // NO_COLOR and a terminal without colours are known to `hasColors`, which nothing but a terminal has.
    colorize: terminal && process.stdout.hasColors(),
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
    ignore: 'event',
  })
  return {
    write(line) {
      destination.write(pretty(line))
    },
  }
}
