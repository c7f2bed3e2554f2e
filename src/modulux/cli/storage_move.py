"""`modulux storage move`: an engine's data to another disk; plan, copy, switch, prove."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console

from modulux.cli.common import Common, Yes, ask, confirm, counted
from modulux.errors import UsageError
from modulux.host.packages import ensure, missing
from modulux.report import step
from modulux.storage import background
from modulux.storage import journal as record
from modulux.storage.copy import RSYNC
from modulux.storage.find import driver, find
from modulux.storage.journal import Journal
from modulux.storage.plan import Options, Plan, begin, plan
from modulux.storage.tree import Verified
from modulux.storage.work import go_on

User = Annotated[str | None, Parameter(help="the engine without root of this user")]


def move(
    engine: str,
    destination: Path | None = None,
    /,
    *,
    user: User = None,
    reconfigure: Annotated[
        bool, Parameter(help="change the engine's configuration instead of mounting at the old place")
    ] = False,
    same_disk: Annotated[bool, Parameter(help="allow a destination on the same disk")] = False,
    verify: Annotated[Literal["sample", "all"], Parameter(help="how many files are read byte by byte")] = "sample",
    drop_temporary: Annotated[bool, Parameter(help="let containers started with --rm go when they are stopped")] = False,
    dry_run: Annotated[bool, Parameter(help="show the plan and end")] = False,
    background: Annotated[bool, Parameter(help="go on without this terminal; `storage show` tells how far it is")] = False,
    yes: Yes = False,
    common: Common | None = None,
) -> None:
    """Move all data of an engine to another disk.

    The old data stay until `storage commit`; `storage undo` puts everything back.

    Whatever interrupts it: the same command goes on where it was.

    Parameters
    ----------
    engine
        docker, containerd or podman
    destination
        a folder of the other disk; if it is there, the data go into a folder of the engine's name in it
    """
    common = common or Common()
    key = f"{engine}-{user}" if user else engine
    journal = record.load(key)
    if journal is None:
        if destination is None:
            raise UsageError(f"where is {engine} to go?", hint=f"modulux storage move {engine} /folder/of/another/disk")
        ensure(missing([RSYNC]), yes, ask)
        mode: Literal["bind", "reconfigure"] = "reconfigure" if reconfigure else "bind"
        options = Options(destination=destination, mode=mode, same_disk=same_disk, verify=verify, drop_temporary=drop_temporary)
        made = _planned(common, engine, user, options)
        if dry_run or not common.json:
            common.result(_plan_json(made), lambda console: _show_plan(console, made))
        if dry_run:
            return
        if not made.refused:
            confirm(f"Move {made.facts.name} to {made.target}?", yes)
        with record.lock(key):
            journal = begin(made)
    elif destination is not None and _elsewhere(journal, destination):
        raise UsageError(
            f"{journal.facts.name} is being moved to {journal.target} already",
            hint=f"modulux storage undo {journal.facts.words} first",
        )
    if background:
        _in_background(common, journal)
        return
    with record.lock(key):
        # what another process did meanwhile counts
        done, verified = go_on(record.load(key) or journal, common.report)
    common.result(_result(done, verified), lambda console: _show(console, done, verified))


def _elsewhere(journal: Journal, destination: Path) -> bool:
    given = Path(os.path.realpath(destination))
    return journal.target not in (given, given / journal.facts.key)


def _planned(common: Common, engine: str, user: str | None, options: Options) -> Plan:
    with step(common.report, "plan", "looking at what there is and trying the destination"):
        return plan(driver(find(engine, user)), options)


def _in_background(common: Common, journal: Journal) -> None:
    words = [sys.executable, "-m", "modulux", "storage", "move", *journal.facts.words.split(), "--yes"]
    log = background.start(journal.facts.key, words)
    data = {"engine": journal.facts.engine, "user": journal.facts.user, "log": str(log)}
    common.result(
        data,
        lambda console: console.print(
            f"It goes on in the background. `modulux storage show` tells how far it is; its words: {log}"
        ),
    )


def _plan_json(made: Plan) -> dict[str, Any]:
    data = made.model_dump(mode="json", by_alias=False, exclude={"facts", "options"})
    return {
        "engine": made.facts.engine,
        "user": made.facts.user,
        "source": str(made.facts.root),
        "mode": made.options.mode,
        **data,
    }


def _show_plan(console: Console, made: Plan) -> None:
    how = "mounted at the old place" if made.options.mode == "bind" else "named in the engine's configuration"
    rows = [
        ("what", f"{made.bytes / 1e9:.2f} GB in {made.inodes} files and folders of {made.facts.name}"),
        ("from", f"{made.facts.root} (disk {made.from_disk})"),
        ("to", f"{made.target} (disk {made.to_disk}, {made.to_free / 1e9:.2f} GB free), {how}"),
        ("takes", f"about {_time(made.copy_seconds)}, while everything runs"),
        ("stands still", f"about {_time(made.still_seconds)}"),
        ("stops", f"{', '.join(made.stops)}; started again afterwards" if made.stops else "no container"),
        ("writes", ", ".join(map(str, made.written))),
        ("keeps", "the old data, under another name, until `modulux storage commit`; `modulux storage undo` goes back"),
        *(("loses", name) for name in made.loses),
        *(("note", note) for note in made.notes),
    ]
    for word, text in rows:
        console.print(f"  [bold]{word:<13}[/]", end="")
        console.print(text, markup=False)


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _result(journal: Journal, verified: Verified | None) -> dict[str, Any]:
    return {
        "engine": journal.facts.engine,
        "user": journal.facts.user,
        "mode": journal.mode,
        "place": str(journal.place),
        "target": str(journal.target),
        "kept": str(journal.kept),
        "stood_still": journal.downtime,
        "verified": {k: v for k, v in verified.__dict__.items() if k != "differences"} if verified else None,
    }


def _show(console: Console, journal: Journal, verified: Verified | None) -> None:
    console.print(f"[bold]{journal.facts.name}[/] lives in {journal.target} now.")
    if verified:
        v = verified
        read = f"{v.read_files} files ({v.read_bytes / 1e6:.1f} MB) byte by byte"
        kinds = [
            counted(v.hard_links, "hard link"),
            counted(v.xattrs, "attribute"),
            counted(v.whiteouts, "whiteout"),
            counted(v.sparse, "sparse file"),
            f"{v.flagged} with chattr flags",
        ]
        console.print(f"  compared     {v.entries} files and folders, {read}; {', '.join(kinds)}", markup=False)
    if journal.inventory:
        held = journal.inventory
        console.print(
            f"  all there    {counted(len(held.images), 'image')}, {counted(len(held.containers), 'container')} "
            f"({len(held.running)} running), {counted(len(held.volumes), 'volume')}",
            markup=False,
        )
    if journal.downtime is not None:
        console.print(f"  stood still  {journal.downtime:.1f} s")
    console.print(f"  old data     {journal.kept}", markup=False)
    console.print(f"Sure? modulux storage commit {journal.facts.words}. Back? modulux storage undo {journal.facts.words}.")
