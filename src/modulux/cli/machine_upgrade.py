"""`modulux machine upgrade`: a machine that runs, taken to the one of today."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console

from modulux.cli.common import Common, Yes, confirm
from modulux.cli.host import prepare_host

if TYPE_CHECKING:
    from modulux.machine.upgrade import Outcome


def upgrade(
    name: str,
    file: str | None = None,
    *,
    built: Annotated[Path | None, Parameter(help="a folder of `machine build -o`, instead of building")] = None,
    yes: Yes = False,
    common: Common | None = None,
) -> None:
    """Put the machine of today into the slot that does not run, and start it. Asks first: all that runs on it is ended.

    If its desktop does not get ready in time, the machine goes back to what it was, by itself.

    Parameters
    ----------
    name
        the machine's name, or ssh://HOST of one elsewhere
    file
        its machine file; without, the ready-made one of that name
    """
    from modulux.cli.machines import ensure_built
    from modulux.cli.reach import file_of, reached
    from modulux.machine.build import noted
    from modulux.machine.disk import note_beside
    from modulux.machine.running import Running
    from modulux.machine.tools import MODULE, Tools
    from modulux.machine.upgrade import upgrade as renew

    common = common or Common()
    running = reached(name, yes)
    prepare_host(common, yes)
    folder = built or ensure_built(file_of(running, file), common)
    confirm(f"`{name}` is started anew once it has received version {noted(folder).get('version')}. Go on?", yes)
    outcome = renew(running, folder, Tools(common.driver, common.catalog.reference(MODULE)), common.report)
    if outcome.kept and isinstance(running, Running) and running.machine.disk:
        note_beside(running.machine.disk, folder)
    judge(name, outcome, common)


def judge(name: str, outcome: Outcome, common: Common) -> None:
    """Tell how it ended.

    Raises:
        NotReadyError: the machine went back.
    """
    from modulux.errors import NotReadyError

    if not outcome.kept:
        raise NotReadyError(
            f"`{name}` did not get ready from slot {outcome.tried}, and runs from slot {outcome.running} as before",
            hint=f"modulux machine log {name}",
        )
    result = {"name": name, "slot": outcome.running, "kept": True}
    show = f"{name} runs from slot {outcome.running}, and keeps it. Back: modulux machine rollback {name}"

    def tell(console: Console) -> None:
        console.print(show)

    common.result(result, tell)
