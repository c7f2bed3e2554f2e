"""`modulux export`: a desktop in one file, or as the manifests of another system."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from modulux.carry.exporting import Gathered, What, to_file, to_stream
from modulux.cli.common import Common, Yes, counted, find_desktop, host_facts, read_desktop
from modulux.cli.host import prepare_host
from modulux.desktop.state import look
from modulux.errors import UsageError
from modulux.images.build import build
from modulux.model.desktop import Desktop
from modulux.model.units import NAME_PATTERN
from modulux.resolve.files import validate
from modulux.resolve.plan import resolve


def composition(common: Common, word: str) -> Desktop:
    """The desktop that `word` means: one that runs, by the file that it was last made from; else a file or a known name."""
    if re.fullmatch(NAME_PATTERN, word) and not Path(word).is_file():
        found = look(common.driver, word)
        if found.desktop_file:
            return validate(found.desktop_file, Desktop, f"the desktop `{word}`")
    return read_desktop(find_desktop(word))


def what_of(common: Common, word: str, *, images: bool, data: bool) -> What:
    """The desktop with its plan and modules."""
    desktop = composition(common, word)
    catalog = common.catalog_for(desktop.name)
    return What(desktop, resolve(desktop, catalog, host_facts()), catalog, images, data)


def export_desktop(
    desktop: str,
    *,
    output: Annotated[Path, Parameter(alias="-o", help="the file to write; `-` is stdout", allow_leading_hyphen=True)],
    without_images: Annotated[bool, Parameter(help="they are built where it is imported")] = False,
    without_data: Annotated[bool, Parameter(help="homes and shares stay here")] = False,
    yes: Yes = False,
    common: Common | None = None,
) -> None:
    """Write a desktop with modules, images and data into one file, from which `import` makes the same desktop elsewhere.

    A running desktop stands still while its data is read.

    Parameters
    ----------
    desktop
        the name of a desktop that runs, or as for `up`: a ready-made one's name, or a desktop file
    """
    common = common or Common()
    to_stdout = str(output) == "-"
    if to_stdout and common.json:
        raise UsageError("`-o -` and --json both want stdout", hint="-o FILE")
    if to_stdout and sys.stdout.isatty():
        raise UsageError("`-o -` would write an archive to this terminal", hint="-o FILE, or `-o - | …`")
    what = what_of(common, desktop, images=not without_images, data=not without_data)
    if what.images:
        prepare_host(common, yes)
        build(what.plan.images, what.catalog, common.driver, common.sources, common.report)
    if to_stdout:
        to_stream(common.driver, what, sys.stdout.buffer, common.report)
        return
    gathered, size = to_file(common.driver, what, output, common.report)
    common.result(
        {"desktop": what.desktop.name, "file": str(output), "bytes": size, **summary(gathered)},
        lambda console: console.print(
            f"{output}: {size / 1e6:,.0f} MB, {said(gathered)}\n  digest  {gathered.manifest.digest}", markup=False
        ),
    )


def summary(gathered: Gathered) -> dict[str, object]:
    """What was carried, for JSON."""
    record = gathered.record
    return {
        "digest": gathered.manifest.digest,
        "images": [image.reference for image in record.locked] if record.images else [],
        "volumes": [volume.name for volume in record.volumes],
        "data_bytes": gathered.size,
        "frozen_seconds": round(gathered.frozen, 3),
    }


def said(gathered: Gathered) -> str:
    """What was carried, for a person."""
    record = gathered.record
    images = counted(len(record.locked), "image") if record.images else "no images"
    data = f"{counted(len(record.volumes), 'volume')} ({gathered.size / 1e6:,.1f} MB)" if record.volumes else "no data"
    still = f"; it stood still for {gathered.frozen:.1f} s" if gathered.frozen else ""
    return f"{images}, {data}{still}"
