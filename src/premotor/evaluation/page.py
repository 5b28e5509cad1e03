"""The report as one page that needs nothing beside itself: numbers with their intervals first, then what went wrong."""

import base64
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from premotor.evaluation.pageparts import listed, percent, span, words
from premotor.evaluation.pagestyle import STYLE
from premotor.evaluation.profile import profile
from premotor.evaluation.profile_page import profile_matrix, profile_section
from premotor.evaluation.report import AIMS, CONTROLS_AIM, Filmed, Report, replace_text
from premotor.evaluation.statistics import Interval
from premotor.evaluation.summary import CellResult, Summary
from premotor.sim.libero.tasks import SUITES
from premotor.sim.metaworld.tasks import TIERS
from premotor.sim.perturb.axes import AXES, PLAIN, STRENGTHS
from premotor.sim.tabletop.episode import FAMILIES, SPLITS

__all__ = ["page", "write_page"]

_SPLITS: dict[str, str] = {
    "train": "scenes it was trained on",
    "val": "scenes for choosing",
    "layout": "new positions",
    "combination": "objects and targets never trained together",
    "words": "words and phrasings never trained",
    "moved": "something is moved while the arm is on its way",
    "slip": "the object is knocked out of the gripper once",
    "light": "another light",
    "camera": "the front camera is shifted and turned",
    "clutter": "twice the distractors",
    PLAIN: "episodes that nothing was done to",
    **{
        f"{axis.name}-{strength}": f"{axis.what} (strength {strength})"
        for axis in AXES.values()
        for strength in STRENGTHS
    },
    **{tier: f"tasks of Meta-World that are held to be {tier.replace('_', ' ')}" for tier in TIERS},
    **{suite: f"tasks of LIBERO-{suite.capitalize()}" for suite in SUITES},
}
_BASELINES = {
    "expert": "sees the simulation's state",
    "hold": "stands still",
    "blind": "the same policy with black pictures",
    "deaf": "the same policy, told to do something else",
}


def page(report: Report) -> str:
    """The whole page as HTML text."""
    summary = report.summary
    perturbed = bool(profile(summary))
    parts = [
        _head(report),
        profile_section(summary) if perturbed else _by_split(summary),
        _baselines(report),
        profile_matrix(summary) if perturbed else _matrix(summary),
        _details(summary),
        _films(report.films),
        _errors(report),
        _foot(report),
    ]
    title = escape(f"premotor: {summary.label}")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<style>{STYLE}</style></head><body><main>\n" + "\n".join(filter(None, parts)) + "\n</main></body></html>\n"
    )


def write_page(report: Report, path: Path) -> None:
    """Write the page, whole or not at all."""
    replace_text(path, page(report))


def _head(report: Report) -> str:
    summary, protocol = report.summary, report.summary.protocol
    first = "layout" if "layout" in protocol.splits else protocol.splits[0]
    tiers = first in TIERS
    mean = summary.mean_of_splits() if tiers else summary.mean(split=first)
    where = f"of {listed(protocol.splits)} tiers, mean of tiers" if tiers else f"on {escape(_SPLITS[first])}"
    episodes = sum(cell.n for cell in summary.cells)
    about = (
        f"{episodes:,} episodes, {len(protocol.families)} families, {listed(protocol.embodiments)}; "
        f"{protocol.episodes} a family, arm and split; planned anew every {protocol.replan_every} control steps."
    )
    notes = []
    if not summary.complete:
        notes.append("Not every episode of the protocol was run.")
    if summary.errors:
        notes.append(f"{summary.errors} episodes could not be finished; they count as not solved.")
    if len(summary.revisions) > 1:
        notes.append("The code was changed between stretches of this run: " + listed(summary.revisions) + ".")
    warning = f'<p class="note">{escape(" ".join(notes))}</p>' if notes else ""
    return (
        f'<header><p class="kicker">premotor evaluation</p><h1>{escape(summary.label)}</h1>'
        f'<div class="hero"><span class="big">{percent(mean.rate)}</span><span class="says">of the tasks solved '
        f"{where}<small>95 % interval {span(mean)}, mean over families and arms, "
        f"{mean.n:,} episodes</small></span></div><p>{escape(about)}</p>{warning}</header>"
    )


def _by_split(summary: Summary) -> str:
    rows = []
    arms = summary.protocol.embodiments
    for split in _ordered(SPLITS, summary.protocol.splits):
        mean, aim = summary.mean(split=split), AIMS.get(split)
        rates = [summary.mean(split=split, embodiment=arm).rate for arm in arms]
        per_arm = "".join(f'<td class="num">{percent(rate)}</td>' for rate in rates)
        rows.append(
            f"<tr><th>{split}<small>{escape(_SPLITS[split])}</small></th>"
            f'<td class="bar">{_bar(mean, aim)}</td><td class="num strong">{percent(mean.rate)}</td>'
            f'<td class="num quiet">{span(mean)}</td>{per_arm if len(arms) > 1 else ""}'
            f'<td class="num quiet">{mean.n:,}</td></tr>'
        )
    names = "".join(f'<th class="num">{escape(arm)}</th>' for arm in arms) if len(arms) > 1 else ""
    legend = '<p class="legend">Pale: 95 % interval. Blue: measured. Thin line: what is aimed at.</p>'
    return (
        '<section><h2>Success by split</h2><div class="wide"><table class="bars"><thead><tr><th></th><th></th>'
        f'<th class="num">mean</th><th class="num">95 %</th>{names}<th class="num">n</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{legend}</section>"
    )


def _baselines(report: Report) -> str:
    if not report.baselines:
        return ""
    splits = report.baselines[0].protocol.splits
    part = report.summary.only(splits)
    rows = [_baseline_row(part, "this policy", None)]
    rows += [_baseline_row(b, _BASELINES.get(b.label, b.policy), _aim_of(b.label)) for b in report.baselines]
    sentences = "".join(f"<li>{escape(found.sentence)}</li>" for found in report.comparisons.values())
    return (
        f"<section><h2>Beside the baselines</h2><p>On the same episodes ({listed(splits)}). {_controls(report)}</p>"
        f'<div class="wide"><table class="bars"><tbody>{"".join(rows)}</tbody></table></div>'
        f'<ul class="sentences">{sentences}</ul></section>'
    )


def _baseline_row(summary: Summary, what: str, aim: float | None) -> str:
    mean = summary.mean()
    return (
        f"<tr><th>{escape(summary.label)}<small>{escape(what)}</small></th><td class='bar'>{_bar(mean, aim)}</td>"
        f'<td class="num strong">{percent(mean.rate)}</td><td class="num quiet">{span(mean)}</td>'
        f'<td class="num quiet">{mean.n:,}</td></tr>'
    )


def _aim_of(label: str) -> float | None:
    return CONTROLS_AIM if label in ("blind", "deaf") else None


def _controls(report: Report) -> str:
    """Whether success here really needs eyes and ears."""
    controls = {baseline.label: baseline.mean() for baseline in report.baselines if _aim_of(baseline.label) is not None}
    if not controls:
        return ""
    suspect = [label for label, mean in controls.items() if mean.rate > CONTROLS_AIM]
    if suspect:
        return f"The {listed(suspect)} policy solves more than chance would: look at what gives these tasks away."
    return "Without eyes or ears almost nothing is solved, so these tasks need both."


def _matrix(summary: Summary) -> str:
    splits = _ordered(SPLITS, summary.protocol.splits)
    families = _ordered(FAMILIES, summary.protocol.families)
    tables = []
    for arm in summary.protocol.embodiments:
        cells = {(c.cell.family, c.cell.split): c for c in summary.choose(embodiment=arm)}
        head = "".join(f'<th class="num">{split}</th>' for split in splits)
        rows = []
        for family in families:
            filled = "".join(_tile(cells.get((family, split))) for split in splits)
            rows.append(f"<tr><th>{words(family)}</th>{filled}</tr>")
        means = "".join(_mean_tile(summary.mean(embodiment=arm, split=split)) for split in splits)
        tables.append(
            f'<h3>{escape(arm)}</h3><div class="wide"><table class="matrix"><thead><tr><th></th>{head}</tr></thead>'
            f"<tbody>{''.join(rows)}</tbody><tfoot><tr><th>mean</th>{means}</tr></tfoot></table></div>"
        )
    legend = '<p class="legend">Success in percent. Small: its 95 % interval. Empty: there is nothing to disturb.</p>'
    return f"<section><h2>Family by family</h2>{''.join(tables)}{legend}</section>"


def _tile(cell: CellResult | None) -> str:
    if cell is None or cell.n == 0:
        return '<td class="none"></td>'
    mean = cell.interval
    title = f"{cell.successes} of {cell.n}, interval {span(mean)} %"
    return f'<td style="--p:{mean.rate:.3f}" title="{title}">{100 * mean.rate:.0f}<small>{span(mean)}</small></td>'


def _mean_tile(mean: Interval) -> str:
    if mean.n == 0:
        return '<td class="none"></td>'
    return f'<td style="--p:{mean.rate:.3f}">{100 * mean.rate:.1f}<small>{span(mean)}</small></td>'


def _details(summary: Summary) -> str:
    rows = []
    for family in _ordered(FAMILIES, summary.protocol.families):
        for arm in summary.protocol.embodiments:
            cells = summary.choose(embodiment=arm, family=family)
            rows.append(f"<tr><th>{words(family)}</th><td>{escape(arm)}</td>{''.join(_behaviour(cells))}</tr>")
    return (
        "<section><details><summary><h2>Time to success, and what the guard did</h2></summary>"
        '<div class="wide"><table><thead><tr><th>family</th><th>arm</th><th class="num">time to success</th>'
        '<th class="num">passed</th><th class="num">clamped</th><th class="num">held</th><th class="num">stopped</th>'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        '<p class="legend">Time: mean over splits of the median. Guard: share of control steps; '
        "clamped means reduced to a limit, held means that nothing usable came in.</p></details></section>"
    )


def _behaviour(cells: Sequence[CellResult]) -> Iterator[str]:
    times = [cell.seconds for cell in cells if cell.seconds is not None]
    yield f'<td class="num">{sum(times) / len(times):.1f} s</td>' if times else '<td class="num quiet">-</td>'
    counts = [sum(getattr(c, name) for c in cells) for name in ("passed", "clamped", "held", "stopped")]
    for count in counts:
        share = 100 * count / max(1, sum(counts))
        # A few steps in a million must not look like none.
        text = f"{share:.1f} %" if count == 0 or share >= 0.05 else f"{count} steps"
        yield f'<td class="num{" quiet" if count == 0 else ""}">{text}</td>'


def _films(films: Sequence[Filmed]) -> str:
    if not films:
        return ""
    parts = []
    for title, success in (("What went wrong", False), ("What went right", True)):
        shown = "".join(_film(film) for film in films if film.result.success == success)
        if shown:
            parts.append(f'<h2>{title}</h2><div class="films">{shown}</div>')
    return f"<section>{''.join(parts)}</section>"


def _film(film: Filmed) -> str:
    result = film.result
    cell = result.job.cell
    outcome = f"solved in {result.seconds:.1f} s" if result.success else f"not solved in {result.seconds:.1f} s"
    again = "" if film.same else " When it was filmed it went another way."
    data = base64.b64encode(film.mp4).decode()
    return (
        f'<figure class="{"good" if result.success else "bad"}">'
        '<video controls muted loop playsinline preload="metadata" '
        f'src="data:video/mp4;base64,{data}"></video><figcaption><q>{escape(result.instruction)}</q>'
        f"<small>{escape(cell.embodiment)}, {words(cell.family)}, {cell.split}, seed {result.job.seed}: "
        f"{outcome}.{again}</small></figcaption></figure>"
    )


def _errors(report: Report) -> str:
    if not report.errors:
        return ""
    rows = "".join(
        f"<li>{escape(e.job.cell.embodiment)}, {words(e.job.cell.family)}, {e.job.cell.split}, seed {e.job.seed}: "
        f"<code>{escape(e.error or '')}</code></li>"
        for e in report.errors
    )
    return f"<section><h2>Episodes that could not be finished</h2><ul>{rows}</ul></section>"


def _foot(report: Report) -> str:
    summary = report.summary
    seeds = summary.protocol.seeds
    facts = {
        "command": report.command,
        "policy": f"{summary.policy}, digest {summary.policy_digest[:16]}",
        "protocol": summary.protocol.hash[:16],
        "seeds": f"{seeds.start} to {seeds.stop - 1}",
        "code": ", ".join(summary.revisions),
        "machine": ", ".join(f"{value}" if name in ("cpu", "system") else f"{name} {value}"
                             for name, value in summary.machine.items()),
        "time": f"{summary.elapsed_s:,.0f} s, {summary.episodes_s:,.0f} s of it summed over episodes",
    }  # fmt: skip
    rows = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    return f"<footer><dl>{rows}</dl></footer>"


def _bar(mean: Interval, aim: float | None) -> str:
    """A track from 0 to 100 %, the interval as a band, the rate as a dot, what is aimed at as a line."""
    if mean.n == 0:
        return '<div class="track"></div>'
    mark = f'<i class="aim" style="left:{100 * aim:.1f}%"></i>' if aim is not None else ""
    return (
        f'<div class="track" role="img" aria-label="{percent(mean.rate)}, {span(mean)}">{mark}'
        f'<i class="band" style="left:{100 * mean.low:.2f}%;width:{100 * (mean.high - mean.low):.2f}%"></i>'
        f'<i class="dot" style="left:{100 * mean.rate:.2f}%"></i></div>'
    )


def _ordered(order: Sequence[str], chosen: Sequence[str]) -> list[str]:
    """In the usual order; names that it does not know come last, as they were given."""
    known = [name for name in order if name in chosen]
    return [*known, *(name for name in chosen if name not in order)]
