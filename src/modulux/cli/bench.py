"""`modulux bench`: what a user waits for, beside what they would use instead."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from modulux.bench.figures import Results, table
from modulux.bench.measure import Options, measure, usual
from modulux.bench.plot import svg
from modulux.cli.common import Common, Yes
from modulux.cli.host import prepare_host
from modulux.errors import UsageError
from modulux.report import Note


def bench(
    *figures: str,
    rounds: Annotated[int, Parameter(help="starts of each desktop")] = 5,
    keys: Annotated[int, Parameter(help="keys pressed each way")] = 200,
    desktops: Annotated[int, Parameter(help="desktops side by side")] = 20,
    seconds: Annotated[int, Parameter(help="seconds of a moving picture through each viewer")] = 10,
    picture: Annotated[Path | None, Parameter(name="--plot", help="an SVG file to draw the figures into")] = None,
    yes: Yes = False,
    common: Common | None = None,
) -> None:
    """Measure Modulux beside one fat container that holds the same packages, in one run, alternating.

    Parameters
    ----------
    figures
        some of: start, key, memory, size, many, viewers, cpu, added, worlds, worlds-memory, carry, keep,
        storage; all of them without (storage only as root, with rsync)
    """
    common = common or Common()
    if picture and not picture.parent.is_dir():
        raise UsageError(f"--plot {picture}: no such folder", hint=f"mkdir -p {picture.parent}")
    prepare_host(common, yes)
    options = Options(rounds, keys, desktops, seconds, figures or usual())
    results = measure(common.driver, options, lambda line: common.report(Note(line)))
    common.result(results.to_json(), lambda console: show(console, results))
    if picture:  # last: the figures took minutes and are not lost with it
        picture.write_text(svg(results))


def show(console: Console, results: Results) -> None:
    """Each figure as a table, with what was to be reached."""
    for figure in results.figures:
        grid = Table(box=None, pad_edge=False, title=f"[bold]{figure.title}[/]", title_justify="left", show_header=False)
        for row in table(figure):
            grid.add_row(*row)
        console.print(grid)
        for goal in figure.goals:
            console.print(f"{'[green]reached[/]' if goal.met else '[red]missed[/] '}  {goal}")
        for note in figure.notes:
            console.print(f"  {note}", markup=False)
        console.print()
    goals = sum(len(figure.goals) for figure in results.figures)
    if results.missed:
        console.print(
            f"[red]missed[/]: {len(results.missed)} of {goals} goals: {'; '.join(goal.text for goal in results.missed)}"
        )
    elif goals:
        console.print(f"all {goals} goals reached")
