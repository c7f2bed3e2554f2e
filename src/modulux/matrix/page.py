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
    rows, failures = _there(page)
    for outcome in outcomes:
        row = _row(outcome)
        rows[_key(row)] = row
        failures[outcome.pair.name] = _failures(outcome)
    said = [line for name in sorted(failures) for line in failures[name]]
    lines = [*_head(list(rows.values()), machine), *(rows[key] for key in sorted(rows)), ""]
    page.write_text("\n".join(lines + (["## What failed", "", *said, ""] if said else [])), encoding="utf-8")


def _key(row: str) -> tuple[str, ...]:
    """Display, session, viewer."""
    return tuple(cell.strip() for cell in row.split("|")[1:4])


def _there(page: Path) -> tuple[dict[tuple[str, ...], str], dict[str, list[str]]]:
    """Rows and failures of an earlier run, which may have tried other pairs."""
    lines = page.read_text(encoding="utf-8").splitlines() if page.exists() else []
    rows = {_key(line): line for line in lines if line.startswith("| ") and len(line.split("|")) == 9}
    failures: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("* "):
            failures.setdefault(line[2:].partition(": ")[0], []).append(line)
    return {key: row for key, row in rows.items() if key[0] not in ("display", "---")}, failures


def _head(rows: Sequence[str], machine: str) -> list[str]:
    passed = sum("| ✓ |" in row for row in rows)
    return [
        "# Displays, sessions and viewers",
        "",
        f"Written by `modulux matrix`: {passed} of {len(rows)} passed. {machine}",
        "",
        "Each is started as a desktop with a terminal and judged by sight as a person would: the panel is drawn, the menu",
        "opens, what is typed into the terminal arrives in a file, a second window is dragged by its title bar. Seconds are",
        "those until all of it can be used. A run over a part of the pairs leaves the rows of the others as they were.",
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


def _failures(outcome: Outcome) -> list[str]:
    steps = [step for step in outcome.steps if not step.passed]
    return [f"* {outcome.pair.name}: {step.what}: {re.sub(r'[|<>]', ' ', step.found)}" for step in steps]
