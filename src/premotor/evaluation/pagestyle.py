"""How the page looks: system fonts, quiet lines, light or dark as the reader's machine is."""

__all__ = ["STYLE"]

STYLE = """
:root {
  --ground: #fbfbfa; --card: #ffffff; --ink: #1d2433; --quiet: #6b7385; --line: #e4e6eb; --track: #eceef2;
  --accent: #2f6fde; --band: #b9d0f7; --good: #2b8a57; --bad: #c2453d; --note: #fff4da; --tile: 46, 125, 209;
  --mild: #c3d7f8; --clear: #84aef0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171d; --card: #1b1f27; --ink: #e7eaf0; --quiet: #98a1b3; --line: #2b313c; --track: #262c37;
    --accent: #7fb0ff; --band: #34548a; --good: #5cc48d; --bad: #f08a80; --note: #3a3117; --tile: 84, 146, 233;
    --mild: #2f4a77; --clear: #5079bb;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI",
  Roboto, "Helvetica Neue", Arial, sans-serif; -webkit-text-size-adjust: 100%; }
main { max-width: 1040px; margin: 0 auto; padding: 48px 24px 64px; }
h1 { font-size: 34px; line-height: 1.15; margin: 0 0 20px; letter-spacing: -0.02em; }
h2 { font-size: 20px; margin: 0 0 14px; letter-spacing: -0.01em; }
h3 { font-size: 15px; margin: 18px 0 6px; color: var(--quiet); font-weight: 600; }
p { margin: 0 0 12px; max-width: 72ch; }
small { display: block; color: var(--quiet); font-weight: 400; font-size: 13px; line-height: 1.35; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 24px;
  margin-top: 24px; }
.kicker { color: var(--quiet); margin: 0 0 4px; font-size: 14px; }
.hero { display: flex; align-items: center; gap: 20px; flex-wrap: wrap; margin-bottom: 20px; }
.big { font-size: 64px; line-height: 1; font-weight: 650; letter-spacing: -0.03em; color: var(--accent);
  font-variant-numeric: tabular-nums; }
.says { font-size: 18px; max-width: 46ch; line-height: 1.35; }
.says small { font-size: 14px; margin-top: 4px; }
.note { background: var(--note); border-radius: 8px; padding: 10px 14px; max-width: none; }
.legend { color: var(--quiet); font-size: 13px; margin: 14px 0 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 15px; }
th { text-align: left; font-weight: 500; }
thead th { color: var(--quiet); font-size: 13px; font-weight: 400; }
td, th { padding: 7px 10px 7px 0; vertical-align: middle; }
tbody tr + tr > * { border-top: 1px solid var(--line); }
.num { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; padding: 7px 0 7px 16px; }
.strong { font-weight: 600; } .quiet { color: var(--quiet); }
.bars th { min-width: 210px; } .bars .bar { width: 100%; min-width: 180px; padding: 7px 8px 7px 14px; }
.bars thead th { min-width: 0; }
.track { position: relative; height: 12px; border-radius: 6px; background: var(--track); }
.track i { position: absolute; top: 0; display: block; }
.band { height: 12px; border-radius: 6px; background: var(--band); min-width: 3px; }
.dot { width: 6px; height: 16px; margin: -2px 0 0 -3px; border-radius: 3px; background: var(--accent); }
.aim { width: 2px; height: 20px; margin: -4px 0 0 -1px; background: var(--quiet); opacity: 0.55; border-radius: 1px; }
.sentences { margin: 16px 0 0; padding-left: 20px; } .sentences li { margin: 4px 0; }
.matrix { border-collapse: separate; border-spacing: 3px; font-size: 14px; }
.matrix th { white-space: nowrap; padding: 4px 8px 4px 0; } .matrix thead th { text-align: center; padding: 2px 4px; }
.matrix td { text-align: center; padding: 5px 4px; border: 0; border-radius: 6px; min-width: 62px;
  font-variant-numeric: tabular-nums; font-weight: 550; line-height: 1.2;
  background: rgba(var(--tile), calc(0.05 + 0.38 * var(--p, 0) * var(--p, 0))); }
.matrix tr > * { border-top: 0 !important; }
.matrix td small { font-size: 11px; color: inherit; opacity: 0.6; }
.matrix .none { background: none; }
.matrix tfoot th { font-weight: 600; }
.matrix.narrow td { min-width: 40px; font-size: 13px; } .matrix.narrow thead th { font-size: 11px; }
.profile th { min-width: 190px; } .profile thead th { min-width: 0; } .profile td + .num { padding-left: 12px; }
.profile td:nth-child(2) { width: 100%; min-width: 220px; padding: 0 6px 0 14px; }
.profile tfoot td { padding-top: 2px; }
.profile svg { display: block; width: 100%; height: 42px; overflow: visible; }
.profile rect { rx: 2px; } .s1 { fill: var(--mild); background: var(--mild); }
.s2 { fill: var(--clear); background: var(--clear); } .s3 { fill: var(--accent); background: var(--accent); }
.profile path { fill: none; vector-effect: non-scaling-stroke; }
.whisker { stroke: var(--ink); stroke-width: 1.2; opacity: 0.75; } .grid { stroke: var(--line); stroke-width: 1; }
.zero { stroke: var(--quiet); stroke-width: 1.4; }
.ticks { position: relative; height: 18px; color: var(--quiet); font-size: 12px; }
.ticks span { position: absolute; transform: translateX(-50%); font-variant-numeric: tabular-nums; }
.key { display: inline-block; width: 18px; height: 9px; border-radius: 2px; margin: 0 5px 0 0; }
.key + .key, .legend .key:not(:first-child) { margin-left: 10px; }
details > summary { cursor: pointer; list-style-position: outside; } details > summary h2 { display: inline; }
details > summary + * { margin-top: 14px; }
.films { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 18px; margin-bottom: 26px; }
.films:last-child { margin-bottom: 0; }
figure { margin: 0; } figure video { width: 100%; display: block; border-radius: 10px; background: var(--track);
  border: 1px solid var(--line); }
figcaption { margin-top: 8px; line-height: 1.35; } figcaption small { margin-top: 3px; }
figcaption q { font-weight: 550; } .bad q { color: var(--bad); } .good q { color: var(--good); }
code { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
footer { margin-top: 32px; color: var(--quiet); font-size: 13px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; margin: 0; }
dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 640px) { main { padding: 28px 14px 40px; } section { padding: 16px; } .big { font-size: 48px; }
  .bars th { min-width: 120px; } .bars .bar { min-width: 110px; } }
@media print { section { break-inside: avoid; } }
"""
