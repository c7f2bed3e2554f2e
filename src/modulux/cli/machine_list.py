"""`modulux machine list`: machines that can be built, and those that run."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from modulux.cli.common import Common

UPDATES = {
    "shipped": "",
    "kept": "updated",
    "trial": "update on trial",
    "failed": "update failed: runs as before",
    "back": "update put aside until the next start",
}


def list_machines(name: str | None = None, *, common: Common | None = None) -> None:
    """List the ready-made machines, and the virtual machines that run; or the containers of one, and which are updated.

    Parameters
    ----------
    name
        a machine that runs, or ssh://HOST of one elsewhere
    """
    from modulux.machine.files import read_machine
    from modulux.machine.places import running_names
    from modulux.machine.running import find
    from modulux.paths import shipped

    common = common or Common()
    if name is not None:
        _containers(name, common)
        return
    files = {m.name: m.summary for m in map(read_machine, sorted(shipped("machines").glob("*.yaml")))}
    running = {name for name in running_names() if find(name)}
    rows = [
        {"name": n, "running": n in running, "summary": files.get(n, "")} for n in [*files, *sorted(running - files.keys())]
    ]

    def show(console: Console) -> None:
        _print(
            console, ("MACHINE", "STATE", "SUMMARY"), [(r["name"], "runs" if r["running"] else "", r["summary"]) for r in rows]
        )

    common.result(rows, show)


def _containers(name: str, common: Common) -> None:
    from modulux.cli.reach import reached
    from modulux.machine import update as u

    states = list(u.look(reached(name).control).containers.values())

    def show(console: Console) -> None:
        rows = [(s.name, "ready" if s.ready else "", UPDATES[s.update], s.image or "") for s in states]
        _print(console, ("CONTAINER", "STATE", "UPDATE", "IMAGE"), rows)

    common.result([state.to_json() for state in states], show)


def _print(console: Console, headings: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading)
    for row in rows:
        table.add_row(*map(str, row))
    console.print(table)
