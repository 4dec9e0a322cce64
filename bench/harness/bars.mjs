// The bars that the project holds itself to, as ratios of medians inside one run, and how each came out.
const OWN = 'this proxy'

/** @param {(subject: string, figure: string) => number | undefined} median */
const measured = (median) => {
  const ratio = (figure, peer, subject = OWN) => median(subject, figure) / median(peer, figure)
  const added = (subject, figure) => median(subject, figure) - median('direct', figure)
  const addedRatio = (figure, peer) => added(OWN, figure) / added(peer, figure)
  const bodiesPeak = Math.max(median(OWN, 'downPeak'), median(OWN, 'upPeak'))
  const fastify = '@fastify/http-proxy'
  return [
    ['CPU per request, to the floor (main gate)', ratio('cpu64', 'floor'), 1.15],
    ['the same with the access log', ratio('cpu64', 'floor', `${OWN}, access log`), 1.35],
    [`CPU per request, to ${fastify}`, ratio('cpu64', fastify), 0.5],
    [`HTTPS upstream, to ${fastify}`, ratio('cpuTls', fastify), 0.5],
    [`50 kB answers, to ${fastify}`, ratio('cpuMedium', fastify), 0.6],
    ['CPU per request, to caddy', ratio('cpu64', 'caddy'), 0.65],
    ['CPU per request, to nginx (watched)', ratio('cpu64', 'nginx'), 3.3],
    ['added p50 at 1,000 req/s, to nginx', addedRatio('p50', 'nginx'), 1.6],
    [`added p50 at 1,000 req/s, to ${fastify}`, addedRatio('p50', fastify), 0.85],
    [`added p99 at 1,000 req/s, to ${fastify}`, addedRatio('p99', fastify), 1],
    ['50 MiB down, CPU per MB, to http-proxy', ratio('downCpu', 'http-proxy'), 1],
    [`50 MiB up, CPU per MB, to ${fastify}`, ratio('upCpu', fastify), 1],
    [
      'peak RSS with 50 MiB bodies, above small traffic',
      bodiesPeak - median(OWN, 'peakSmall'),
      32,
      'MB',
    ],
    ['RSS idle', median(OWN, 'rssIdle'), 70, 'MB'],
    ['RSS at 64 connections', median(OWN, 'rss64'), 115, 'MB'],
    [
      'cold start to first forwarded answer, to bare node:http',
      ratio('cold', 'bare node:http'),
      2.8,
    ],
  ]
}

/** Each bar with its value; `value` is undefined when a figure that it needs was not measured in this run. */
export const judge = (median) =>
  measured((subject, figure) => median(subject, figure) ?? Number.NaN).map(
    ([name, value, bar, unit = '×']) => ({
      name,
      bar,
      unit,
      value: Number.isFinite(value) ? value : undefined,
      reached: value <= bar,
    }),
  )
