"""`modulux machine storage`: the disks of a machine, and its state to a bigger one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from modulux.cli.common import Common, Yes, confirm
from modulux.errors import StorageError, UsageError

if TYPE_CHECKING:
    from modulux.machine.control import Door
    from modulux.machine.storage import Move, Storage


def storage(
    name: str,
    *,
    to: Annotated[str | None, Parameter(help="the disk that is to have the state: its device or its id")] = None,
    erase: Annotated[str | None, Parameter(help="the same disk once more, if what it holds may be erased")] = None,
    back: Annotated[bool, Parameter(help="go back to what the state was before it was moved, where that lies")] = False,
    stay: Annotated[bool, Parameter(help="take back what --to or --back asked for")] = False,
    forget_old: Annotated[bool, Parameter(help="remove what the state was before it was moved")] = False,
    yes: Yes = False,
    common: Common | None = None,
) -> None:
    """Show a machine's disks; with --to, take all that it keeps to another one at its next start.

    Parameters
    ----------
    name
        the machine's name, or ssh://HOST of one elsewhere
    """
    from modulux.cli.reach import reached
    from modulux.machine import storage as s

    common = common or Common()
    if sum((to is not None, back, stay, forget_old)) > 1:
        raise UsageError("--to, --back, --stay and --forget-old do not go together")
    control = reached(name).control
    there = s.look(control)
    if to is not None:
        _move(name, control, s.plan(there, to, erase=erase), yes, common)
    elif back:
        _go_back(name, there, control, yes, common)
    elif stay:
        s.take_back(control)
        common.result({"name": name, "wanted": None}, lambda console: console.print("The state stays where it is."))
    elif forget_old:
        _forget(name, there, control, yes, common)
    else:
        common.result({"name": name, **there.to_json()}, lambda console: _show(console, name, there))


def _move(name: str, control: Door, made: Move, yes: bool, common: Common) -> None:
    from modulux.machine.storage import request

    disk = made.disk
    lost = f"ERASED is what it holds ({disk.holds}). " if made.erase else ""
    called = ", ".join(word for word in (disk.model, disk.id) if word) or "without a name"
    what = f"all that `{name}` keeps goes to /dev/{disk.name} ({called}, {disk.size // 10**6} MB)"
    confirm(f"At the next start {what}. {lost}Go on?", yes)
    request(control, made)
    common.result(
        {"name": name, "wanted": disk.to_json(), "erase": made.erase},
        lambda console: console.print(f"It goes there when `{name}` is started again. Until then: --stay takes it back."),
    )


def _go_back(name: str, there: Storage, control: Door, yes: bool, common: Common) -> None:
    from modulux.machine.storage import go_back

    old, now = _old(name, there), there.state.device
    confirm(
        f"At the next start `{name}` keeps again what it did before its state was moved, on /dev/{old}. "
        f"What was written since stays on /dev/{now}, and is not used. Go on?",
        yes,
    )
    go_back(control)
    common.result(
        {"name": name, "wanted": old, "back": True},
        lambda console: console.print(f"It goes back when `{name}` is started again. Until then: --stay takes it back."),
    )


def _old(name: str, there: Storage) -> str:
    if there.old is None:
        raise StorageError("there is no old state", hint=f"modulux machine storage {name}")
    return there.old


def _forget(name: str, there: Storage, control: Door, yes: bool, common: Common) -> None:
    from modulux.machine.storage import forget_old

    old = _old(name, there)
    confirm(f"What the state was before it was moved is removed from /dev/{old}. Go on?", yes)
    forget_old(control)
    common.result({"name": name, "forgotten": old}, lambda console: console.print(f"/dev/{old} holds nothing of it."))


def _show(console: Console, name: str, there: Storage) -> None:
    state = there.state
    where = f"on /dev/{state.device} (ext4)" if state.device else "in memory: NOTHING IS KEPT"
    console.print(
        f"the state lies {where}: {state.used // 10**6} of {state.size // 10**6} MB used, {state.free // 10**6} MB free"
    )
    table = Table(box=None, pad_edge=False)
    for heading in ("DISK", "MB", "ID", "MODEL", "HOLDS", "USE"):
        table.add_column(heading)
    for d in there.disks:
        table.add_row(f"/dev/{d.name}", str(d.size // 10**6), d.id or "", d.model or "", d.holds, d.use)
    console.print(table)
    if there.wanted:
        how = "it is again what it was on" if there.back else "it is moved to"
        console.print(f"At the next start {how} /dev/{there.wanted}. Not after all: modulux machine storage {name} --stay")
    if there.refused:
        console.print(f"The last move was refused: {there.refused}")
    if there.old:
        verb = f"modulux machine storage {name}"
        console.print(f"An old state lies on /dev/{there.old}. Back to it: {verb} --back; away with it: {verb} --forget-old")
