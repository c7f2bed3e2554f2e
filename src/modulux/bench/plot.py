"""The figures as one SVG picture: bars with their spread, a line for what grows, and the goals beneath each."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from html import escape

from modulux.bench.figures import Figure, Goal, Results, Row, shown

WIDTH, GAP, MARGIN = 920, 24, 20
HALF = (WIDTH - 2 * MARGIN - GAP) // 2
HEAD, BAR, FOOT = 48, 34, 18  # pixels: a panel's title, one row, one goal or note
LINE_HEIGHT = 170

STYLE = """
text { font-family: Inter, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; font-size: 12.5px; fill: #1f2937 }
.title { font-size: 15px; font-weight: 600 } .dim { fill: #6b7280; font-size: 11.5px } .value { font-weight: 600 }
.page { fill: #ffffff; stroke: #e5e7eb } .track { fill: #f3f4f6 } .ours { fill: #2563eb } .other { fill: #9ca3af }
.spread { stroke: #111827; stroke-width: 1.5; stroke-opacity: .55 } .met { fill: #15803d } .missed { fill: #b91c1c }
.grid { stroke: #e5e7eb } .line { fill: none; stroke-width: 2.5; stroke: #2563eb } .second { stroke: #d97706 }
.dot2 { fill: #d97706 }
"""


def svg(results: Results) -> str:
    """The picture, for a file that ends in .svg."""
    parts: list[str] = []
    y = MARGIN + 44
    bars = [figure for figure in results.figures if not figure.running]
    for pair in zip(bars[::2], [*bars[1::2], None], strict=False):
        panels = [figure for figure in pair if figure is not None]
        for column, figure in enumerate(panels):
            parts += _bars(figure, MARGIN + column * (HALF + GAP), y)
        y += max(_height(figure) for figure in panels) + GAP
    for figure in results.figures:
        if figure.running:
            parts += _running(figure, MARGIN, y)
            y += HEAD + LINE_HEIGHT + 26 + _foot_height(figure) + GAP
    machine = results.machine
    about = f"{machine['cpus']} CPUs, {machine['memory'] / 1024**3:.0f} GiB, Linux {machine['kernel']}, {machine['engine']}"
    head = [
        f'<rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{y - 1}" rx="10"/>',
        _text(MARGIN, MARGIN + 14, "modulux bench", "title"),
        _text(MARGIN, MARGIN + 32, f"{about}. Bars: median; lines: lowest to highest (keys: to p99)", "dim"),
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img">',
            "<title>Figures of modulux bench</title>",
            f"<style>{STYLE}</style>",
            *head,
            *parts,
            "</svg>",
            "",
        ]
    )


def _foot(figure: Figure) -> list[tuple[str, str]]:
    """Lines beneath a panel: (text, class)."""
    notes = [line for note in figure.notes for line in textwrap.wrap(note, 140 if figure.running else 70)]
    return [_goal(goal) for goal in figure.goals] + [(line, "dim") for line in notes]


def _goal(goal: Goal) -> tuple[str, str]:
    return (f"✓ {goal}", "met") if goal.met else (f"✗ {goal}", "missed")


def _foot_height(figure: Figure) -> int:
    return FOOT * len(_foot(figure)) + 6


def _height(figure: Figure) -> int:
    return HEAD + BAR * len(figure.rows) + _foot_height(figure)


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def _top(row: Row) -> float:
    return row.extra.get("p99", row.series.high)


def _bars(figure: Figure, x: int, y: int) -> list[str]:
    parts = [_text(x, y + 18, figure.title, "title")]
    longest = max(_top(row) for row in figure.rows) or 1
    room = HALF - 84  # the value stands to the right
    for number, row in enumerate(figure.rows):
        top = y + HEAD - 12 + number * BAR
        length = row.series.median / longest * room
        low, high = row.series.low / longest * room, _top(row) / longest * room
        ratio = f"  {row.extra['ratio']:.2f}x" if "ratio" in row.extra else ""
        parts += [
            _text(x, top + 8, row.name + ratio, "dim"),
            _bar("track", x, top + 12, room),
            _bar("ours" if row.ours else "other", x, top + 12, max(2, length)),
            _text(x + HALF, top + 22, f"{shown(row.series.median)} {figure.unit}", "value", "end"),
        ]
        if high - low > 1:
            parts.append(f'<path class="spread" d="M{x + low:.1f} {top + 18}H{x + high:.1f}"/>')
    return parts + _lines_beneath(figure, x, y + HEAD + BAR * len(figure.rows) + 8)


def _bar(kind: str, x: int, y: int, length: float) -> str:
    return f'<rect class="{kind}" x="{x}" y="{y}" width="{length:.1f}" height="12" rx="3"/>'


def _lines_beneath(figure: Figure, x: int, y: int) -> list[str]:
    return [_text(x, y + FOOT * number, text, kind) for number, (text, kind) in enumerate(_foot(figure))]


def _running(figure: Figure, x: int, y: int) -> list[str]:
    """Each row as a line over 1…n, on a scale of its own that begins at zero."""
    width, base = WIDTH - 2 * MARGIN - 90, y + HEAD + LINE_HEIGHT
    parts = [_text(x, y + 18, figure.title, "title")]
    parts += [f'<path class="grid" d="M{x} {base - LINE_HEIGHT * share}H{x + width}"/>' for share in (0, 0.5, 1)]
    taken = -100.0  # where the label before stands
    for number, row in enumerate(figure.rows):
        points = _points(row.series.values, x, base, width)
        kind, dot = ("second", "dot2") if number else ("", "ours")
        path = " ".join(f"{'L' if n else 'M'}{px:.1f} {py:.1f}" for n, (px, py) in enumerate(points))
        parts.append(f'<path class="line {kind}" d="{path}"/>')
        parts += [f'<circle class="{dot}" cx="{px:.1f}" cy="{py:.1f}" r="3"/>' for px, py in points]
        last = f"{shown(row.series.values[-1])} {row.unit or figure.unit}"
        end = points[-1][1] + 4
        end = taken + 16 if abs(end - taken) < 16 else end
        taken = end
        parts.append(_text(points[-1][0] + 10, end, last, "value"))
        parts.append(f'<circle class="{dot}" cx="{x + 6 + number * 220}" cy="{y + 34}" r="4"/>')
        parts.append(_text(x + 16 + number * 220, y + 38, row.name, "dim"))
    count = len(figure.rows[0].series.values)
    parts += [_text(x, base + 18, "1", "dim"), _text(x + width, base + 18, str(count), "dim", "end")]
    return parts + _lines_beneath(figure, x, base + 40)


def _points(values: Sequence[float], x: int, base: int, width: int) -> list[tuple[float, float]]:
    top = max(values) * 1.15 or 1
    step = width / max(1, len(values) - 1)
    return [(x + n * step, base - value / top * LINE_HEIGHT) for n, value in enumerate(values)]
