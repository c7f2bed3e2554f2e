"""`modulux matrix`: every display, session and viewer that fit together, started and judged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from modulux.cli.common import Common, Yes
from modulux.cli.host import prepare_host
from modulux.errors import NotReadyError, UsageError
from modulux.matrix.measure import Outcome, outcomes
from modulux.matrix.page import write
from modulux.matrix.pairs import pairs


def matrix(
    *,
    display: Annotated[list[str] | None, Parameter(help="only with this display; may be given again")] = None,
    session: Annotated[list[str] | None, Parameter(help="only this session; may be given again")] = None,
    viewer: Annotated[list[str] | None, Parameter(help="only with this viewer; may be given again")] = None,
    dry_run: Annotated[bool, Parameter(help="only list what would be tried")] = False,
    output: Annotated[Path | None, Parameter(alias="-o", help="write the page here, such as docs/matrix.md")] = None,
    yes: Yes = False,
    common: Common | None = None,
) -> None:
    """Start every display, session and viewer that the contracts let together, and judge each as a person would.

    One after the other; a desktop `matrix` comes and goes each time. Without arguments this takes an hour or more.
    """
    common = common or Common()
    chosen = [
        pair
        for pair in pairs(common.catalog)
        if _is(pair.display, display) and _is(pair.session, session) and _is(pair.viewer, viewer)
    ]
    if not chosen:
        raise UsageError("nothing fits", hint="modulux matrix --dry-run lists what can be tried")
    if dry_run:
        listed = [{"display": p.display, "session": p.session, "viewer": p.viewer} for p in chosen]
        common.result(listed, lambda console: console.print("\n".join(p.name for p in chosen), markup=False))
        return
    prepare_host(common, yes)
    came: list[Outcome] = []
    for outcome in outcomes(chosen, common.catalog, common.driver, common.sources, common.report):
        came.append(outcome)
        if output is not None:  # after each, so that an hour's work is not lost with an interrupt
            write([outcome], output, f"On {common.driver.name}.")
        if not common.json:
            common.result(None, lambda console, outcome=outcome: _show(console, outcome))  # type: ignore[misc]
    if common.json:
        common.result([_data(outcome) for outcome in came], lambda _: None)
    failed = [outcome.pair.name for outcome in came if not outcome.passed]
    if failed:
        raise NotReadyError(f"{len(failed)} of {len(came)} failed: {'; '.join(failed)}")


def _is(name: str | None, wanted: list[str] | None) -> bool:
    return not wanted or name in wanted


def _data(outcome: Outcome) -> dict[str, Any]:
    pair = outcome.pair
    steps = [{"what": s.what, "passed": s.passed, "found": s.found} for s in outcome.steps]
    return {
        "display": pair.display,
        "session": pair.session,
        "viewer": pair.viewer,
        "passed": outcome.passed,
        "seconds": round(outcome.seconds, 2),
        "memory": outcome.memory,
        "steps": steps,
    }


def _show(console: Console, outcome: Outcome) -> None:
    verdict = "[green]passed[/]" if outcome.passed else "[red]failed[/]"
    console.print(f"{verdict}  {outcome.pair.name}  {outcome.seconds:.1f} s  {outcome.memory / 1e6:.0f} MB")
    for step in outcome.steps:
        if not step.passed:
            console.print(f"        {step.what}: {step.found}", markup=False)
