"""restic's passes over a desktop's files: one while it runs, if there is much to read, and the last, which makes the snapshot.

The last one opens the repository, which takes half a second, while all else is found out; then it waits. Where the volumes lie
is taken from a note of the last snapshot until the engine has said it.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modulux.engine.protocol import Engine
from modulux.errors import RepositoryError
from modulux.keep.reading import Reading
from modulux.keep.restic import WARM, Repository
from modulux.keep.workspace import Workspace, workspace
from modulux.report import Count, Report, step

NOTE = "last.json"
"""Of the last snapshot. No more than a hint, and of no use for another repository."""

Mark = tuple[int, int] | None
"""See `Repository.mark`."""


@dataclass(frozen=True)
class Last:
    """When the last snapshot was begun (seconds since 1970), and where its volumes' files lay."""

    started: float
    mounted: dict[str, Path]


class Passes:
    """The passes for one snapshot; what is still at work ends with the context.

    Args:
        tags: of the snapshot.
        known: whether these are all that it will have.
    """

    def __init__(self, engine: Engine, repository: Repository, desktop: str, tags: Sequence[str], *, known: bool) -> None:
        self.engine = engine
        self.repository = repository
        self.desktop = desktop
        self.tags = list(tags)
        self.stack = contextlib.ExitStack()
        self.started = time.time()
        self.mark = repository.mark()
        self.warm: Reading | None = None
        self.pending: Reading | None = None
        self.seen: list[int] = []
        self.work = self._workspace({})
        self.note = _noted(self.work.folder, repository, self.mark)
        if self.note is not None and known:
            self.over(self.note.mounted)
            self.last()

    def __enter__(self) -> Passes:
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def _workspace(self, mounted: Mapping[str, Path]) -> Workspace:
        return workspace(f"{self.engine.name}.{self.desktop}", mounted, self.engine.near_argv)

    def over(self, mounted: Mapping[str, Path]) -> Workspace:
        """See to it that they go over these volumes."""
        if mounted != self.work.mounted:
            self._give_up()
            self.work = self._workspace(mounted)
        return self.work

    @property
    def since(self) -> float | None:
        """Since when what has changed is to be read; None if everything is."""
        if not self.work.mounted:
            return self.started
        same = self.note is not None and set(self.note.mounted) == set(self.work.mounted)
        return self.note.started if self.note is not None and same else None

    def last(self) -> Reading:
        """The last one: begun if it does not wait yet, had to be ended, or has other folders before it than lie there now."""
        there = [_inode(path) for path in self.work.mounted.values()]
        if there != self.seen:  # a restore lets volumes' folders change places
            self._give_up()
        if not self._waits:
            self.seen = there
            self.pending = self.stack.enter_context(Reading(self.repository, self.work, self.tags, gated=True, urgent=True))
        assert self.pending is not None
        return self.pending

    @property
    def _waits(self) -> bool:
        return self.pending is not None and self.pending.thread.is_alive()

    def _give_up(self) -> None:
        if self.pending is not None:
            self.pending.end()

    def first(self, report: Report) -> None:
        """Read everything while the desktop runs, so that the last pass need not: what that makes is not of one moment."""
        if self.repository.local is not None:
            self.last()  # it waits meanwhile: what is in the repository it asks only then
        else:
            self._give_up()  # a connection on which nothing is said for an hour may be gone
        # restic takes nothing for what was read before that is younger than itself
        at = self.started if self._waits else time.time()

        def progress(done: int, total: int) -> None:
            report(Count(done // 1024**2, max(total // 1024**2, 1), "MB"))

        with step(report, "read", "reading the files while the desktop runs"):
            tags = [WARM, f"desktop:{self.desktop}"]
            with Reading(self.repository, self.work, tags, gated=False, at=at, progress=progress) as reading:
                reading.result(whole=False)
        self.warm = reading

    def done(self) -> Reading:
        """What the last one has made; what the first one made goes.

        Raises:
            RepositoryError: the repository is not the one that it was.
        """
        assert self.pending is not None
        made = self.pending
        made.result(whole=True)
        if self.repository.mark() != self.mark:
            raise RepositoryError(
                f"the repository at {self.repository.shown} went away while it was written: nothing was kept",
                hint="restic may have begun another one at that place; remove it before you bring the first one back",
            )
        if self.warm is not None:
            made.discard(self.warm.result(whole=False))
            made.summary["data_added"] = made.summary.get("data_added", 0) + self.warm.summary.get("data_added", 0)
        _note(self.work, self.repository, self.mark, self.started)
        return made


def _inode(path: Path) -> int:
    """The folder's number; 0 if it is gone."""
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def _noted(folder: Path, repository: Repository, mark: Mark) -> Last | None:
    """What is known of the last snapshot in this repository."""
    try:
        data = json.loads((folder / NOTE).read_text())
        same = data["repository"] == repository.where and data["mark"] == (list(mark) if mark else None)
        mounted = {name: Path(path) for name, path in data["volumes"].items()}
        return Last(float(data["started"]), mounted) if same else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _note(work: Workspace, repository: Repository, mark: Mark, started: float) -> None:
    volumes = {name: str(path) for name, path in sorted(work.mounted.items())}
    data = {"repository": repository.where, "mark": mark, "started": started, "volumes": volumes}
    (work.folder / NOTE).write_text(json.dumps(data))
