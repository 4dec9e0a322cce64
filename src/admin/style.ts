import { createHash } from 'node:crypto'

/** Style sheet of all pages. Both palettes give text a contrast of at least 4.5 (WCAG 1.4.3). */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f6f6f3; --panel: #fff; --line: #e2e2dc; --track: #e4e4de; --mark: #8d8d85;
  --text: #1c1d1a; --soft: #5c5d57;
  --good: #1d7a4d; --warning: #8a5800; --bad: #b3261e; --quiet: #4a5a78;
  --served: #1d7a4d; --amber: #d9952b; --violet: #8450a8;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --ground: #121412; --panel: #1b1e1b; --line: #2c302c; --track: #323732; --mark: #8b918b;
    --text: #eceee9; --soft: #a3a9a1;
    --good: #62d29b; --warning: #efb04c; --bad: #ff8f85; --quiet: #a5b6d8;
    --served: #62d29b; --amber: #c98a2a; --violet: #c39be0;
  }
}
* { box-sizing: border-box; margin: 0; }
p, dd, th, td, li, span, h1, h2, h3, code { overflow-wrap: anywhere; min-width: 0; }
body {
  background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; -webkit-text-size-adjust: 100%;
}
.page { max-width: 66rem; margin: 0 auto; padding: 1.25rem 1.25rem 3rem; }
.good { --tone: var(--good); } .warning { --tone: var(--warning); }
.bad { --tone: var(--bad); } .quiet { --tone: var(--quiet); }
a { color: inherit; text-underline-offset: .2em; text-decoration-color: var(--mark); }
a:hover { text-decoration-color: currentColor; }
a:focus-visible { outline: 2px solid var(--quiet); outline-offset: 3px; border-radius: 2px; }

.top { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; justify-content: space-between; color: var(--soft); font-size: .875rem; }
.top strong { color: var(--text); font-weight: 600; }

.hero { margin: 1.5rem 0 1.25rem; padding: 1.75rem 2rem 1.5rem; background: var(--panel); border: 1px solid var(--line); border-radius: 14px; }
h1 { font-size: clamp(1.75rem, 4.5vw, 2.5rem); line-height: 1.15; letter-spacing: -.02em; font-weight: 650; color: var(--tone); }
.verdict p { margin-top: .5rem; max-width: 44rem; }
.hero .facts { margin-top: .8rem; max-width: 44rem; } .hero .facts dd { text-align: left; }
.remedy { font-weight: 600; }
.finding { margin-top: 1.25rem; padding-left: 1rem; border-left: 3px solid var(--amber); }
.finding h2 { margin: 0; } .finding p { margin-top: .3rem; max-width: 44rem; }
.life { margin-top: 1.5rem; }
.life svg { display: block; width: 100%; height: 46px; overflow: visible; }
.ends { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1.5rem; margin-top: .35rem; font-size: .875rem; color: var(--soft); }

.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 18rem), 1fr)); gap: 1.25rem; }
section { background: var(--panel); border: 1px solid var(--line); border-radius: 14px; padding: 1.25rem 1.5rem 1.4rem; min-width: 0; }
section + section, .cards + section, section + .cards, .cards + .cards { margin-top: 1.25rem; }
.cards > section { margin-top: 0; }
h2 { font-size: 1rem; font-weight: 650; margin-bottom: .6rem; }
.note { color: var(--soft); font-size: .875rem; }
.facts { display: grid; grid-template-columns: fit-content(60%) 1fr; gap: .3rem 1.25rem; }
.facts dt { color: var(--soft); }
.facts dd { text-align: right; overflow-wrap: break-word; }
.facts dd.bad, .facts dd.warning { color: var(--tone); font-weight: 600; }

svg text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; fill: var(--soft); font-variant-numeric: tabular-nums; }
.track { fill: var(--track); } .left { fill: var(--good); } .bad .left { fill: var(--quiet); } .margin { fill: var(--mark); }
.tick { stroke: var(--text); stroke-width: 2; } .rule { stroke: var(--line); stroke-width: 1; }
.needle { fill: var(--panel); stroke: var(--text); stroke-width: 2.5; }
.chart { display: block; width: 100%; height: 110px; overflow: visible; }
.answered { fill: var(--served); } .rejected { fill: var(--amber); } .refused { fill: var(--violet); }
.abandoned { fill: var(--quiet); } .failed { fill: var(--bad); }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin-top: .6rem; font-size: .875rem; color: var(--soft); list-style: none; padding: 0; }
.legend svg { width: 12px; height: 12px; margin-right: .4rem; vertical-align: -1px; overflow: visible; }
table { width: 100%; border-collapse: collapse; }
th, td { text-align: left; vertical-align: baseline; padding: .32rem 1rem .32rem 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
tr:first-child > * { border-top: 0; }
th { font-weight: 500; } td:last-child, th:last-child { padding-right: 0; }
thead th { color: var(--soft); font-weight: 500; font-size: .875rem; }
.document { max-width: 50rem; } .document > * + * { margin-top: .8rem; } .document h2 { font-size: 1.35rem; margin-top: 2rem; }
.document h3 { font-size: 1.05rem; font-weight: 600; color: var(--text); margin: 1.6rem 0 .2rem; } .document h1 { color: var(--text); }
.document code { font: .875em ui-monospace, "SF Mono", Menlo, Consolas, monospace; background: var(--track); border-radius: 4px; padding: .1em .3em; }
pre { font: .8125rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.document pre { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; } .document pre code { background: none; padding: 0; }
.document ul { padding-left: 1.3rem; } :target { outline: 2px solid var(--amber); outline-offset: 6px; border-radius: 2px; }
footer { margin-top: 1.5rem; color: var(--soft); font-size: .875rem; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; }

@media (max-width: 40rem) {
  .page { padding: 1rem .75rem 2rem; }
  .hero { padding: 1.25rem 1.1rem 1.1rem; }
  section { padding: 1.1rem 1.1rem 1.2rem; }
  thead { display: none; }
  tr { display: block; padding: .45rem 0; border-top: 1px solid var(--line); }
  tr:first-child { border-top: 0; }
  th, td { display: block; border: 0; padding: 0; }
  td::before { content: attr(data-name) " "; color: var(--soft); font-size: .875rem; }
}
@media print {
  .page { max-width: none; padding: 0; } .top a, footer { display: none; }
  section, .hero { break-inside: avoid; }
}
@media (forced-colors: active) {
  .left, .answered { fill: CanvasText; } .track { fill: GrayText; }
}
`

const HASH = createHash('sha256').update(STYLE).digest('base64')

/** Allows only this style sheet and the icon. */
export const PAGE_POLICY = `default-src 'none'; img-src data:; style-src 'sha256-${HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`
