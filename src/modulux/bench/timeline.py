"""Where the seconds of a boot went, as one SVG picture: each part from when it could start to when it was ready."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, MARGIN, LEFT, ROW, HEAD = 920, 20, 170, 22, 84

STYLE = """
text { font-family: Inter, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; font-size: 12.5px; fill: #1f2937 }
.title { font-size: 15px; font-weight: 600 } .dim { fill: #6b7280; font-size: 11.5px } .page { fill: #ffffff; stroke: #e5e7eb }
.before { fill: #9ca3af } .waits { fill: #e5e7eb } .starts { fill: #2563eb } .grid { stroke: #f3f4f6 }
.mark { stroke: #111827; stroke-dasharray: 3 3 }
"""


@dataclass(frozen=True)
class Span:
    """A part: it waited until `started`, and then took until `ready`. Seconds from power-on."""

    name: str
    waited: float
    started: float
    ready: float


def spans(said: Sequence[tuple[float, str]]) -> list[Span]:
    """The parts of a boot, by what PID 1 said: first what was before containers, then these as they were started."""
    when = {words: at for at, words in reversed(said)}
    found = []
    steps = (("firmware, kernel", "PID 1"), ("drivers for disks", "drivers for disks"), ("file systems", "mounted"))
    before = 0.0
    for name, words in (*steps, ("plan", "planned")):
        if words in when:
            found.append(Span(name, before, before, when[words]))
            before = when[words]
    end = said[-1][0] if said else 0.0
    for at, words in said:
        verb, _, name = words.partition(" ")
        if verb == "started" and when[words] == at:
            found.append(Span(name.rpartition(".")[2], before, at, when.get(f"ready {name}", end)))
    return found


def svg(title: str, said: Sequence[tuple[float, str]], marks: Sequence[tuple[float, str]]) -> str:
    """The picture. `marks`: moments to be drawn across all, with their names."""
    rows = spans(said)
    last = max([span.ready for span in rows] + [at for at, _ in marks] + [1.0]) * 1.04
    scale = (WIDTH - LEFT - 2 * MARGIN) / last
    bottom = HEAD + ROW * len(rows) + 6
    height = bottom + 24 + 16 * len(marks) + MARGIN
    parts = [f'<rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="10"/>']
    parts += [_text(MARGIN, MARGIN + 14, title, "title")]
    parts += [
        _text(
            MARGIN, MARGIN + 34, "seconds from power-on; grey: waits for its turn or for others; blue: until it is ready", "dim"
        )
    ]
    step = next(n for n in (1, 2, 5, 10, 20, 50, 100) if last / n <= 16)
    for second in range(0, int(last) + 1, step):
        x = LEFT + second * scale
        parts += [f'<path class="grid" d="M{x:.1f} {HEAD - 8}V{bottom}"/>', _text(x, HEAD - 12, str(second), "dim", "middle")]
    for number, span in enumerate(rows):
        parts += _row(span, HEAD + ROW * number, scale)
    for number, (at, name) in enumerate(sorted(marks)):
        x, y = LEFT + at * scale, bottom + 18 + 16 * number
        parts.append(f'<path class="mark" d="M{x:.1f} {HEAD - 8}V{y - 9}"/>')
        parts.append(_text(x - 4, y, f"{name} {at:.1f} s", "", "end" if x > WIDTH / 3 else "start"))
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img"'
    inside = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n{inside}\n</svg>\n"
    )


def _row(span: Span, y: int, scale: float) -> list[str]:
    kind = "before" if span.waited == span.started else "starts"
    parts = [_text(LEFT - 8, y + 13, span.name, "", "end")]
    if span.started > span.waited:
        parts.append(_bar("waits", LEFT + span.waited * scale, y, (span.started - span.waited) * scale))
    parts.append(_bar(kind, LEFT + span.started * scale, y, max(1.5, (span.ready - span.started) * scale)))
    return [*parts, _text(LEFT + span.ready * scale + 5, y + 13, f"{span.ready - span.started:.1f}", "dim")]


def _bar(kind: str, x: float, y: int, length: float) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{y + 4}" width="{length:.1f}" height="12" rx="2"/>'


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
