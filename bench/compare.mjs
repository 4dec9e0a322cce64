// Compares this build with another revision of this repository, which it builds in a work tree of its own.
import { execFileSync } from 'node:child_process'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { LOADS, measurePairs, measureSlowest, medianOf, ratio, slowestLine } from './pairs.mjs'
import { table } from './report.mjs'

/**
 * A quick comparison: one figure, more and shorter starts, since two processes of one build differ by 3 %. The starts end
 * when the standard error is small enough.
 */
const SHARP = {
  loads: LOADS.slice(0, 1),
  bursts: 12,
  warmMs: 1500,
  least: 6,
  starts: 10,
  error: 0.009,
  bar: 1.04,
}
const FULL = { loads: LOADS, bursts: 12, starts: 10, slowest: 3 }

/**
 * Builds a revision in a subdirectory of `dir`. Returns the path of its program, and a function that removes the work
 * tree. Throws if this clone does not have the revision.
 */
export const buildRevision = (root, revision, dir) => {
  const tree = join(dir, 'revision')
  const run = (command, args, cwd) =>
    execFileSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] })
  const git = (...args) => run('git', args, root)
  const hasSamePackages = () => {
    try {
      git('diff', '--quiet', revision, '--', 'package-lock.json')
      return true
    } catch {
      return false
    }
  }
  git('worktree', 'add', '--quiet', '--detach', tree, revision)
  const remove = () => git('worktree', 'remove', '--force', tree)
  try {
    if (hasSamePackages()) symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'))
    else run('npm', ['ci', '--no-audit', '--no-fund'], tree)
    run(process.execPath, ['scripts/build.mjs'], tree)
  } catch (error) {
    remove()
    throw error
  }
  return { built: join(tree, 'dist/main.js'), remove }
}

/** Prints the ratio of every figure. A quick comparison has one, and fails if it is above its bar. */
export const compareBuilds = async ({ name, revision, built, starts, quick, ...bench }) => {
  const [own, other] = ['this build', revision]
  const subjects = () => [
    { name, label: own },
    { name, label: other, built },
  ]
  const plan = quick ? SHARP : FULL
  const compared = (samples, figure) => ratio(samples, figure, own, other)
  const isSharp = (samples) => compared(samples, plan.loads[0][0]).error < SHARP.error
  const isEnough = (samples, count) =>
    count >= (starts ?? plan.starts) || (quick && count >= SHARP.least && isSharp(samples))
  const samples = await measurePairs({ ...bench, ...plan, downloads: 0, isEnough, subjects })
  const rows = plan.loads.map(([figure]) => {
    const { mean, error, least, most } = compared(samples, figure)
    const cpu = [own, other].map((label) => medianOf(samples, figure, label).toFixed(1))
    return [figure, ...cpu, ...[mean, error, least, most].map((number) => number.toFixed(3))]
  })
  const head = ['CPU of a call', `${own}, µs`, `${other}, µs`, 'ratio', 'standard error']
  process.stdout.write(`${table([[...head, 'least', 'most'], ...rows])}\n`)
  if (!quick) {
    const slowest = await measureSlowest({ ...bench, subjects: subjects(), rounds: FULL.slowest })
    process.stdout.write(`\n${slowestLine(slowest, [own, other])}\n`)
    return
  }
  const { mean, error } = compared(samples, plan.loads[0][0])
  if (mean - error <= SHARP.bar) return
  bench.say(
    `a call costs ${mean.toFixed(3)} ± ${error.toFixed(3)} of ${other}; at most ${SHARP.bar}`,
  )
  process.exitCode = 1
}
