"""The page that shows what came of each pair: `docs/matrix.md` and its pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from modulux.matrix.measure import Outcome

WIDTH = 320
"""Pixels of a small picture."""


def file_name(outcome: Outcome) -> str:
    """The picture's file name."""
    pair = outcome.pair
    return "-".join(part for part in (pair.display, pair.session, pair.viewer) if part) + ".png"


def write(outcomes: Sequence[Outcome], page: Path, machine: str) -> None:
    """Write the page, and the pictures into the folder `matrix/` beside it.

    Args:
        machine: a line that says on what this was measured.
    """
    pictures = page.parent / "matrix"
    pictures.mkdir(parents=True, exist_ok=True)
    for outcome in outcomes:
        if outcome.picture is not None:
            small = outcome.picture.convert("RGB")
            small.thumbnail((WIDTH, WIDTH))
            small.quantize(128).save(pictures / file_name(outcome), "PNG", optimize=True)
    page.write_text("\n".join([*_head(outcomes, machine), *map(_row, outcomes), "", *_failures(outcomes)]), encoding="utf-8")


def _head(outcomes: Sequence[Outcome], machine: str) -> list[str]:
    passed = sum(outcome.passed for outcome in outcomes)
    return [
        "# Displays, sessions and viewers",
        "",
        f"Written by `modulux matrix`: {passed} of {len(outcomes)} passed. {machine}",
        "",
        "Each is started as a desktop with a terminal and judged by sight as a person would: the panel is drawn, the menu",
        "opens, what is typed into the terminal arrives in a file, a second window is dragged by its title bar. Seconds are",
        "those until all of it can be used.",
        "",
        "| display | session | viewer | | seconds | memory (PSS) | picture |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]


def _row(outcome: Outcome) -> str:
    pair = outcome.pair
    verdict = "✓" if outcome.passed else "✗ " + ", ".join(step.what for step in outcome.steps if not step.passed)
    memory = f"{outcome.memory / 1e6:.0f} MB" if outcome.memory else "-"
    seconds = f"{outcome.seconds:.1f}" if outcome.seconds else "-"
    picture = f"![{pair.name}](matrix/{file_name(outcome)})" if outcome.picture is not None else "-"
    cells = [pair.display or "(the session)", pair.session, pair.viewer or "(the display)", verdict, seconds, memory, picture]
    return f"| {' | '.join(cells)} |"


def _failures(outcomes: Sequence[Outcome]) -> list[str]:
    failed = [(o, step) for o in outcomes for step in o.steps if not step.passed]
    if not failed:
        return []
    lines = [f"* {o.pair.name}: {step.what}: {re.sub(r'[|<>]', ' ', step.found)}" for o, step in failed]
    return ["## What failed", "", *lines, ""]
