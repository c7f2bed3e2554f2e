"""`modulux machine install`: a machine onto a disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from modulux.cli.common import Common, Yes, confirm, stderr
from modulux.cli.host import prepare_host


def install(
    disk: Path,
    file: str = "xfce",
    *,
    image: Annotated[Path | None, Parameter(help="a disk image of `machine build --disk`, instead of building")] = None,
    yes: Yes = False,
    common: Common | None = None,
) -> None:
    """Write a machine to a disk, which then boots by itself (UEFI). Asks first: ALL THAT IS ON THE DISK IS ERASED.

    Parameters
    ----------
    disk
        the disk (/dev/…), or a file of its size
    file
        a machine file, or a ready-made one's name
    """
    from modulux.cli.machines import disk_of, ensure_built
    from modulux.machine import install as i
    from modulux.report import step

    common = common or Common()
    target = i.look_at(disk)
    made = image is None
    if image is None:
        prepare_host(common, yes)
        built = ensure_built(file, common)
        image = built / "disk.img"
        disk_of(built, image, common)
    try:
        i.check_size(image, target)
        show(target.rows or ({"path": str(disk), "size": target.size, "type": "file"},))
        confirm(f"ALL THIS IS ERASED on {disk}. Go on?", yes)
        with step(common.report, "install", f"writing to {disk}"):
            written = i.write(image, target)
    finally:
        if made:
            image.unlink(missing_ok=True)
    result = {"disk": str(disk), "written": written}
    text = f"{disk} holds the machine ({written / 1e6:.0f} MB, read again). It boots by UEFI, without Secure Boot."

    def tell(console: Console) -> None:
        console.print(text)

    common.result(result, tell)


def show(rows: tuple[dict[str, Any], ...]) -> None:
    """What is on the disk now, for the one who is to say yes."""
    table = Table(box=None, pad_edge=False)
    for heading in ("DISK", "SIZE", "KIND", "MODEL", "HOLDS", "LABEL"):
        table.add_column(heading)
    for row in rows:
        size = f"{int(row['size']) / 1e9:.1f} GB"
        table.add_row(row["path"], size, row["type"], *((row.get(key) or "").strip() for key in ("model", "fstype", "label")))
    stderr.print(table)
