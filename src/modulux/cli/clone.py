"""`modulux clone`: a copy of a desktop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from modulux.cli.common import Common, DesktopName, Yes
from modulux.cli.host import must_answer, prepare_host
from modulux.cli.known import known_file
from modulux.cli.shop import built, planned
from modulux.cli.ways import me
from modulux.desktop.up import up as bring_up
from modulux.keep.clone import clone as copy
from modulux.keep.recipes import copy_recipes


def clone(
    name: DesktopName,
    new: DesktopName,
    *,
    file: Annotated[Path | None, Parameter(help="its desktop file, where nothing is on record")] = None,
    no_start: Annotated[bool, Parameter(help="do not start it")] = False,
    yes: Yes = False,
    common: Common | None = None,
) -> None:
    """Copy a desktop, its homes and shares, under another name, and start it. The two share nothing that can be written.

    Folders of the host stay with the first one. Where the file system can, both share blocks until one is written.

    Parameters
    ----------
    name
        the desktop to copy
    new
        the copy's name
    """
    common = common or Common()
    if no_start:
        must_answer(common.driver)
    else:
        prepare_host(common, yes)
    engine = common.driver
    done = copy(engine, name, new, known_file(name, file), common.report)
    copy_recipes(name, new)
    plan = planned(common, done.file)
    if not no_start:
        bring_up(engine, plan, common.report, lambda: built(common, plan))
    data = {
        "desktop": new,
        "from": name,
        "files": done.files,
        "bytes": done.bytes,
        "frozen": done.frozen,
        "started": not no_start,
        "file": done.file.model_dump(mode="json", by_alias=True, exclude_unset=True),
    }
    size = f"{done.bytes / 1e6:,.0f} MB in {done.files:,} files"
    said = f"{new} is a copy of {name}: {size}; {name} stood still for {done.frozen:.2f} s."
    more = "" if no_start else f"\nTo see it: {me()} open {new}"
    common.result(data, lambda console: console.print(said + more, markup=False))
