"""`modulux machine build`: from a machine file to what is booted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console

from modulux.cli.common import Common, Yes
from modulux.cli.host import prepare_host

if TYPE_CHECKING:
    from modulux.cli.machines import Described
    from modulux.machine.build import Built


def build(
    file: str = "xfce",
    *,
    output: Annotated[Path | None, Parameter(alias="-o", help="the folder for it; without, one in the cache")] = None,
    disk: Annotated[Path | None, Parameter(help="also a disk image that a PC's firmware (UEFI) boots")] = None,
    iso: Annotated[
        Path | None, Parameter(help="also an ISO image: a CD or memory stick to try it from, and install it")
    ] = None,
    yes: Yes = False,
    common: Common | None = None,
) -> None:
    """Build a machine: kernel, start-up archive, read-only system, store of modules; on request as a disk, or as an ISO image.

    Parameters
    ----------
    file
        a machine file, or a ready-made one's name
    """
    from modulux.cli.machines import described, disk_of, iso_of
    from modulux.machine.build import Parts
    from modulux.machine.build import build as build_machine
    from modulux.machine.in_use import refuse_used
    from modulux.machine.places import built_folder

    common = common or Common()
    found = described(file, common)
    for image in filter(None, (disk, iso)):
        refuse_used(image)
    prepare_host(common, yes)
    parts = Parts(common.catalog, common.driver, common.sources, common.report)
    out = output or built_folder(found.machine.name)
    built = build_machine(found.machine, found.plan, found.path.parent, out, parts)
    whole = disk_of(built.folder, disk.resolve(), common) if disk else 0
    medium = iso_of(found, built.folder, iso.resolve(), common) if iso else 0

    def show(console: Console) -> None:
        _show_parts(built, console)
        if others is not None:
            same = "the machine that the file was exported from" if not others else f"not the exported one: {'; '.join(others)}"
            console.print(f"  {built.version} is {same}")
        if disk:
            console.print(
                f"{disk}: a disk of {whole / 1e9:.1f} GB, {disk.stat().st_blocks * 512 / 1e6:.0f} MB of it not a hole"
            )
        if iso:
            console.print(f"{iso}: {medium / 1e6:.0f} MB, for a CD or a memory stick")
        from_what = f" --disk {disk}" if disk else f" --iso {iso}" if iso else ""
        console.print(f"  boot it       modulux machine run {file}{from_what}")

    others = _others(found, built, common)
    more = {"disk": str(disk), "disk_size": whole} if disk else {}
    more |= {"iso": str(iso), "iso_size": medium} if iso else {}
    if others is not None:
        more |= {"same": not others, "differs": others}
    common.result(built.to_json() | more, show)


def _show_parts(built: Built, console: Console) -> None:
    console.print(f"{built.folder}: kernel {built.kernel}, {sum(built.sizes.values()) / 1e6:.0f} MB")
    for name, size in built.sizes.items():
        inside = built.firmware["bytes"].get(name, 0)
        console.print(f"  {name:<14}{size / 1e6:>8.1f} MB{f', {inside / 1e6:.1f} MB of it firmware' if inside else ''}")
    if built.firmware["drivers"]:
        console.print(f"  firmware of   {', '.join(built.firmware['drivers'])}")


def _others(found: Described, built: Built, common: Common) -> list[str] | None:
    """In what the machine is not the one that its file was exported from; None for a file that was written by hand."""
    from modulux.machine.build import carried
    from modulux.machine.description import differs

    if found.machine.made_of is None:
        return None
    images = [*carried(found.machine, common.catalog), *sorted({c.image for c in found.plan.containers})]
    return differs(found.machine.made_of, built.version, built.kernel, images)
