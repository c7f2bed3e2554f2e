"""`modulux storage commit`: the old data are removed."""

from __future__ import annotations

from modulux.cli.common import Common, Yes, confirm
from modulux.cli.storage_move import User
from modulux.storage import journal as record
from modulux.storage import work


def commit(engine: str, /, *, user: User = None, yes: Yes = False, common: Common | None = None) -> None:
    """Remove the old data of an engine that was moved. There is no undo after that.

    Parameters
    ----------
    engine
        docker, containerd or podman
    """
    common = common or Common()
    key = f"{engine}-{user}" if user else engine
    journal = work.begun(key)
    confirm(f"Remove {journal.kept}, the data of {journal.facts.name} as they were before the move, for good?", yes)
    with record.lock(key):
        done, _ = work.go_on(work.commit(work.begun(key)), common.report)
    data = {"engine": done.facts.engine, "user": done.facts.user, "target": str(done.target), "removed": str(done.kept)}
    common.result(
        data, lambda console: console.print(f"{done.kept} is removed; [bold]{done.facts.name}[/] lives in {done.target}.")
    )
