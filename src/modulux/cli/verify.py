"""`modulux verify`: prove a snapshot."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from modulux.cli.common import Common, Yes
from modulux.cli.host import prepare_host
from modulux.cli.shop import workshop
from modulux.cli.store import Store
from modulux.errors import UsageError
from modulux.keep.shop import Source
from modulux.keep.verify import Checked, every_byte, structure
from modulux.keep.verify import boot as start_and_look
from modulux.paths import cache

DIFFERS = 1
"""Exit status when a snapshot is whole, but its desktop does not look as it did."""


def verify(
    snapshot: str,
    *,
    quick: Annotated[bool, Parameter(help="the structure; what is done without another of these")] = False,
    read: Annotated[bool, Parameter(help="every byte")] = False,
    boot: Annotated[bool, Parameter(help="restore under a throw-away name, start, and compare the pictures")] = False,
    pictures: Annotated[Path | None, Parameter(help="a folder for both pictures, where they differ")] = None,
    yes: Yes = False,
    store: Store | None = None,
    common: Common | None = None,
) -> None:
    """Prove a snapshot: its structure, every byte of it, or that its desktop starts and looks as it did.

    Parameters
    ----------
    snapshot
        a snapshot as `modulux snapshots` lists it, a desktop's name for its latest, or `latest`
    """
    common, store = common or Common(), store or Store()
    if quick and (read or boot):
        raise UsageError("--quick is less than the others", hint="leave it out")
    repository = store.repository(common, yes=yes)
    stored = repository.find(snapshot)
    shop, source = workshop(common, repository), Source(repository, stored)
    checked = structure(shop, source)
    if read:
        checked += every_byte(shop, source)
    if boot:
        prepare_host(common, yes)
        checked += start_and_look(shop, source, pictures or cache() / "verify")
    rows = [{"what": c.what, "passed": c.passed, "found": c.found} for c in checked]
    common.result({"snapshot": stored.id, "desktop": stored.desktop, "checks": rows}, lambda console: _show(console, checked))
    if not all(c.passed for c in checked):
        sys.exit(DIFFERS)


def _show(console: Console, checked: list[Checked]) -> None:
    for c in checked:
        console.print("[green]✓[/] " if c.passed else "[red]✗[/] ", end="")
        console.print(f"{c.what}: {c.found}", markup=False)
