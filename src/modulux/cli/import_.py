"""`modulux import`: a desktop from a file that `export` wrote."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from modulux.carry import archive
from modulux.carry.importing import bring, checked
from modulux.carry.source import Source
from modulux.cli.common import Common, DesktopName, Yes, ask, confirm, counted, host_facts
from modulux.cli.host import must_answer
from modulux.cli.ways import me
from modulux.errors import FileError, UsageError
from modulux.host.packages import Host, engine_needs, ensure, missing
from modulux.paths import cache
from modulux.report import step

TRUST = Annotated[bool, Parameter(help="let it have what it asks for beyond what every desktop gets")]
"""The flag that answers what `--yes` does not."""


def import_desktop(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    *,
    as_: Annotated[DesktopName | None, Parameter(name="--as", help="what it is to be called here")] = None,
    trust: TRUST = False,
    yes: Yes = False,
    common: Common | None = None,
) -> None:
    """Make the desktop that a file holds: images, data, desktop file. `modulux up NAME` then starts it; no network is needed.

    Everything is checked before anything is made, and nothing that exists is overwritten.

    Parameters
    ----------
    file
        what `export` wrote; `-` is stdin
    """
    common = common or Common()
    if str(file) != "-" and not file.is_file():
        raise FileError("no such file", file=str(file))
    if str(file) == "-" and sys.stdin.isatty():
        raise UsageError("`import -` reads an archive from stdin", hint="modulux import FILE, or `… | modulux import -`")
    prepare_engine(common, yes)
    if str(file) != "-":
        take(common, archive.look(file), name=as_, trust=trust)
        return
    with step(common.report, "stage", "reading it"):
        source, layout = archive.stage(sys.stdin.buffer, cache() / "carry" / "import")
    try:
        take(common, source, name=as_, trust=trust)
    finally:
        layout.remove()


def prepare_engine(common: Common, yes: bool) -> None:
    """See that the engine is there, without what only builds need."""
    needs = [need for need in engine_needs(common.driver.name, Host.here()) if need.package != "mmdebstrap"]
    ensure(missing(needs), yes, ask)
    must_answer(common.driver)


def take(common: Common, source: Source, *, name: str | None, trust: bool) -> None:
    """Check what the source holds, ask for what it asks for, and make it."""
    with checked(source, common.driver, common.catalog, host_facts(), common.report, name=name) as what:
        if what.asks:
            confirm(f"`{what.desktop.name}` asks for {'; '.join(what.asks)}. Let it have that?", trust)
        images, volumes = bring(common.driver, what, common.report)
    desktop = what.desktop.name
    data = {
        "desktop": desktop,
        "digest": what.digest,
        "images": images,
        "volumes": volumes,
        "modules": "brought" if what.brought else "own",
    }
    text = f"{counted(len(images), 'new image')}, {counted(len(volumes), 'volume')}"
    common.result(
        data,
        lambda console: console.print(f"[bold]{desktop}[/] is here: {text}.\n  start it   {me()} up {desktop}{common.flags}"),
    )
