"""`modulux machine list`: machines that can be built, and those that run."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from modulux.cli.common import Common


def list_machines(*, common: Common | None = None) -> None:
    """List the ready-made machines, and the virtual machines that run."""
    from modulux.machine.files import read_machine
    from modulux.machine.places import running_names
    from modulux.machine.running import find
    from modulux.paths import shipped

    common = common or Common()
    files = {m.name: m.summary for m in map(read_machine, sorted(shipped("machines").glob("*.yaml")))}
    running = {name for name in running_names() if find(name)}
    rows = [
        {"name": n, "running": n in running, "summary": files.get(n, "")} for n in [*files, *sorted(running - files.keys())]
    ]

    def show(console: Console) -> None:
        table = Table(box=None, pad_edge=False)
        for heading in ("MACHINE", "STATE", "SUMMARY"):
            table.add_column(heading)
        for row in rows:
            table.add_row(str(row["name"]), "runs" if row["running"] else "", str(row["summary"]))
        console.print(table)

    common.result(rows, show)
