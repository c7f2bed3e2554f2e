"""`modulux snapshots`: what is kept."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from modulux.cli.common import Common, DesktopName
from modulux.cli.store import Store
from modulux.keep.restic import OURS, Stored

HIDDEN = (OURS, "desktop:", "images:")


def snapshots(
    name: DesktopName | None = None,
    *,
    tag: Annotated[list[str] | None, Parameter(help="only those with this tag")] = None,
    store: Store | None = None,
    common: Common | None = None,
) -> None:
    """List the snapshots in the repository, the oldest first.

    Parameters
    ----------
    name
        only those of this desktop
    """
    common, store = common or Common(), store or Store()
    wanted = [OURS, *([f"desktop:{name}"] if name else []), *(tag or [])]
    found = store.repository(common).snapshots(*wanted)
    data = [
        {
            "snapshot": s.short,
            "id": s.id,
            "desktop": s.desktop,
            "taken": s.time.isoformat(),
            "host": s.host,
            "tags": own_tags(s),
            "images": s.tag("images") is not None,
        }
        for s in found
    ]
    common.result(data, lambda console: _show(console, found))


def own_tags(snapshot: Stored) -> list[str]:
    """The tags that a person gave."""
    return [tag for tag in snapshot.tags if not (tag == OURS or tag.startswith(HIDDEN[1:]))]


def _show(console: Console, found: list[Stored]) -> None:
    if not found:
        console.print("No snapshot.")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("SNAPSHOT", "DESKTOP", "TAKEN", "HOST", "IMAGES", "TAGS"):
        table.add_column(heading)
    for s in found:
        taken = f"{s.time.astimezone():%Y-%m-%d %H:%M}"
        table.add_row(s.short, s.desktop, taken, s.host, "kept" if s.tag("images") else "-", " ".join(own_tags(s)) or "-")
    console.print(table)
