"""`modulux machine kernel list`: which kernels there are."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from modulux.cli.common import Common


def list_kernels(*, common: Common | None = None) -> None:
    """List the kernels that a machine file can name, and the versions of those that are built.

    Beside these: a package of the Debian archive (linux-image-…), a folder (./…) or an image that holds boot/ and lib/modules/.
    """
    from modulux.machine.slot import listed

    common = common or Common()
    rows = listed(common.catalog, common.driver, common.report)
    common.result(rows, lambda console: _show(console, rows))


def _show(console: Console, rows: list[dict[str, str | None]]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("KERNEL", "VERSION", "SUMMARY"):
        table.add_column(heading)
    for row in rows:
        table.add_row(row["kernel"], row["version"] or "not built yet", row["summary"])
    console.print(table)
