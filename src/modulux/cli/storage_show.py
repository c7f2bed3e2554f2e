"""`modulux storage show`: where the engines keep their data, and which disk has room for them."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from modulux.cli.common import Common
from modulux.report import step
from modulux.storage.look import Seen, look


def show(
    *,
    sizes: Annotated[bool, Parameter(negative="--no-sizes", help="measure how much each part takes")] = True,
    common: Common | None = None,
) -> None:
    """Show where Docker, containerd and Podman keep their data, where that is configured, and which disk has room for them.

    As root also for the engines of users; a move that is under way or waits is shown too.
    """
    common = common or Common()
    with step(common.report, "look", "looking at the engines" + (" and measuring what they hold" if sizes else "")):
        seen = look(sizes=sizes)
    common.result(seen.to_json(), lambda console: _show(console, seen))


def _show(console: Console, seen: Seen) -> None:
    if not seen.engines:
        console.print("No engine keeps data here.")
    for engine in seen.engines:
        facts = engine.facts
        state = f"{facts.version or ''}, {'there' if facts.running else 'does not run'}".strip(", ")
        console.print(f"[bold]{facts.name}[/] ({state})", end="")
        console.print(f"  {facts.root}  {facts.driver or ''}", markup=False)
        for part in [*facts.parts, *facts.outside]:
            size = f"{_size(engine.sizes[part.name])}  " if part.name in engine.sizes else ""
            console.print(f"  {part.name:<11} {size}{', '.join(str(f) for f in part.folders)}", markup=False)
        for origin in facts.origins:
            console.print(f"  configured  {origin.where}: {origin.says}", markup=False)
        for text in facts.notes:
            console.print(f"  note        {text}", markup=False)
        for text in facts.refused:
            console.print(f"  not movable {text}", markup=False)
        if engine.move:
            console.print(f"  [bold]move[/]        {engine.move}")
        console.print()
    table = Table(box=None, pad_edge=False)
    for heading in ("DISK", "FILE SYSTEM", "SIZE", "FREE", "WOULD DO FOR"):
        table.add_column(heading, no_wrap=True)
    for disk in seen.disks:
        table.add_row(str(disk.point), disk.fstype, _size(disk.size), _size(disk.free), _would_do(disk.fits))
    console.print(table)


def _would_do(fits: dict[str, str | None]) -> str:
    good = [name for name, why in fits.items() if why is None]
    return ", ".join(good) or "-"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
