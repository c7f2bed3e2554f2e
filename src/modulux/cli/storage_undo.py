"""`modulux storage undo`: the engine's data are back where they were."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from modulux.cli.common import Common, Yes, ask, confirm
from modulux.cli.storage_move import User
from modulux.host.packages import ensure, missing
from modulux.storage import journal as record
from modulux.storage import work
from modulux.storage.copy import RSYNC


def undo(
    engine: str,
    /,
    *,
    user: User = None,
    discard: Annotated[bool, Parameter(help="leave behind what was written since the move, and be quick")] = False,
    yes: Yes = False,
    common: Common | None = None,
) -> None:
    """Put everything back as it was before `storage move`, with what was written on the new disk since then.

    Parameters
    ----------
    engine
        docker, containerd or podman
    """
    common = common or Common()
    key = f"{engine}-{user}" if user else engine
    journal = work.begun(key)
    ensure(missing([RSYNC]), yes, ask)
    if discard:
        confirm(f"Go back to {journal.kept}, without anything that was written to {journal.target} since the move?", yes)
    with record.lock(key):
        done, _ = work.go_on(work.undo(work.begun(key), discard=discard), common.report)
    left = str(done.target) if done.discard and done.ran and done.target.exists() else None
    data = {"engine": done.facts.engine, "user": done.facts.user, "place": str(done.place), "left": left}
    more = f" {left} is left as it is." if left else ""
    common.result(data, lambda console: console.print(f"[bold]{done.facts.name}[/] lives in {done.place} again.{more}"))
