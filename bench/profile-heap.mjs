// Preloaded into a measured program: `start` from the parent process starts V8's sampling heap profiler, `stop` is answered with
// the bytes allocated since. Collected objects count, so that the figure depends neither on collections nor on the machine.
import { Session } from 'node:inspector/promises'

const session = new Session()
session.connect()
const SAMPLING = {
  samplingInterval: 4096,
  includeObjectsCollectedByMajorGC: true,
  includeObjectsCollectedByMinorGC: true,
}
const sum = ({ selfSize, children }) =>
  children.reduce((bytes, child) => bytes + sum(child), selfSize)

const answer = async (message) => {
  if (message === 'start') return await session.post('HeapProfiler.startSampling', SAMPLING)
  const { profile } = await session.post('HeapProfiler.stopSampling')
  return sum(profile.head)
}

process.on('message', (message) => {
  void answer(message).then((result) => process.send(result ?? {}))
})
// The measured program ends as it would without a parent.
process.channel.unref()
