"""`modulux machine log`: what was said on a machine that runs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from modulux.cli.common import Common
from modulux.errors import UsageError
from modulux.machine import journal
from modulux.machine.journal import Line, Question

if TYPE_CHECKING:
    from modulux.machine.far import Reached


def log(
    name: str,
    module: str | None = None,
    *,
    since: Annotated[str | None, Parameter(help="only what was said since then: 10m, 2h, 3d ago, or 2026-11-26T14:30")] = None,
    boot: Annotated[
        str | None,
        Parameter(help="since which start: 0 the last, -1 the one before; all", allow_leading_hyphen=True),
    ] = None,
    follow: Annotated[bool, Parameter(alias="-f", help="go on as more is said")] = False,
    common: Common | None = None,
) -> None:
    """Show what a machine said on its serial line, or what one of its containers said; with an option, what it has kept.

    Of a machine elsewhere the serial line is out of reach: without more words it is what was kept since its last start.

    Parameters
    ----------
    name
        the machine's name, or ssh://HOST of one elsewhere
    module
        a container's name, as `modulux machine log NAME` tells it; with an option also machine (its PID 1) and kernel
    """
    from modulux.cli.reach import reached
    from modulux.machine.control import ask
    from modulux.machine.running import Running

    common = common or Common()
    running = reached(name)
    has_line = isinstance(running, Running)
    if since or boot or follow or not (module or has_line):
        _kept(running, _question(module or journal.ALL, since, boot, follow), follow, common)
        return
    lines = (
        running.machine.serial.read_text(errors="replace").splitlines()
        if isinstance(running, Running) and not module
        else ask(running.control, "log", module or "")
    )
    if common.json:
        sys.stdout.write(json.dumps(lines) + "\n")
        return
    sys.stdout.writelines(f"{line}\n" for line in lines)


def _question(source: str, since: str | None, boot: str | None, follow: bool) -> Question:
    start = boot or ("all" if since else "0")
    if start not in ("0", "all") and not start.removeprefix("-").isdecimal():
        raise UsageError(f"--boot {start}: no start", hint="0 is the last one, -1 the one before; all")
    if follow and start not in ("0", "all"):
        raise UsageError("--follow goes on with what is said now, and that start is over", hint="leave --boot out")
    start = start if start in ("0", "all") else f"-{start.removeprefix('-')}"
    return journal.Question(start, journal.since_when(since) if since else 0, source)


def _kept(running: Reached, question: Question, follow: bool, common: Common) -> None:
    container = journal.keeper(running.facts())
    lines, at = journal.kept(running.control, container, question)
    if common.json and not follow:
        sys.stdout.write(json.dumps([line.to_json() for line in lines]) + "\n")
        return
    _show(lines, common)
    if not follow:
        return
    try:
        for line in journal.more(running.control, container, question, at):
            _show([line], common)
    except KeyboardInterrupt:
        pass


def _show(lines: list[Line], common: Common) -> None:
    sys.stdout.writelines(f"{json.dumps(line.to_json()) if common.json else line}\n" for line in lines)
    sys.stdout.flush()
