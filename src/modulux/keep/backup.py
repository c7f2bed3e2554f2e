"""Keeping a desktop: its files as they are at one moment, what it is made of, and its picture.

While the desktop runs, restic reads everything once; then the desktop stands still, and restic looks at each file once more but
reads only those that have changed since. If little has changed since the last snapshot, the first part is left out.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from modulux.engine.files import near
from modulux.engine.protocol import Engine
from modulux.errors import EngineError, FileError, RepositoryError
from modulux.keep import inventory
from modulux.keep.freeze import Moment, hold
from modulux.keep.images import keep_images
from modulux.keep.inventory import Inventory, take_stock
from modulux.keep.manifest import Kept, Manifest, write_lock
from modulux.keep.reading import Reading
from modulux.keep.recipes import MODULES
from modulux.keep.restic import OURS, WARM, Repository
from modulux.keep.workspace import Workspace, workspace
from modulux.model.desktop import Desktop
from modulux.model.plan import Plan
from modulux.paths import lock
from modulux.report import Count, Note, Report, step

LITTLE = 64 * 1024**2
"""Bytes of changed files that are read while the desktop stands still."""

LITTLE_AFAR = 1024**2
"""The same, where they go over a network in that time."""

LONGEST = 60.0
"""Seconds after which a desktop goes on, whatever comes."""

SHORT = 3.0
"""The same where it is only believed, from a note of ours, that there is little to read."""

Plans = Callable[[Desktop], Plan]
"""A desktop file → its plan."""


Recipes = Callable[[Desktop, Path], list[str]]
"""Writes the folders of a desktop's modules that are not shipped below a folder; their ids."""


@dataclass(frozen=True)
class Backup:
    """What was kept. `frozen`: seconds that the desktop stood still; `added`: bytes that the repository did not have."""

    snapshot: str
    desktop: str
    frozen: float
    seconds: float
    files: int
    bytes: int
    added: int
    images: str | None


@dataclass(frozen=True)
class Task:
    """What to keep, where, and under which tags. `plan` gives the plan of a desktop that does not run."""

    engine: Engine
    repository: Repository
    name: str
    plan: Plans
    file: Desktop | None = None
    tags: Sequence[str] = ()
    with_images: bool = False
    recipes: Recipes = lambda _, __: []
    stopped: Callable[[], None] | None = None  # takes the desktop down, where it is to be down and not only still


def backup(task: Task, report: Report) -> Backup:
    """Keep the desktop.

    Raises:
        NotFoundError: there is nothing of it.
        RepositoryError, PasswordError, DamagedError: the repository cannot be used; nothing was kept.
        EngineError: its processes cannot be stopped.
    """
    began = time.monotonic()
    engine = task.engine
    with lock(f"keep.{engine.name}.{task.name}", lambda: report(Note("another backup of this desktop is under way; waiting"))):
        stock = take_stock(engine, task.name, task.file)
        work = workspace(f"{engine.name}.{task.name}", _paths(engine, stock), engine.near_argv)
        with _Facts(task, stock, work, report) as facts:
            if task.with_images:
                facts.kept_images = keep_images(engine, task.repository, facts.images.result(), report)
            reading, moment = _read(task, work, facts, report)
        return Backup(
            snapshot=reading.result(whole=True),
            desktop=task.name,
            frozen=moment.seconds,
            seconds=time.monotonic() - began,
            files=int(reading.summary.get("total_files_processed", 0)),
            bytes=int(reading.summary.get("total_bytes_processed", 0)),
            added=int(reading.summary.get("data_added", 0)),
            images=facts.kept_images,
        )


def _paths(engine: Engine, stock: Inventory) -> dict[str, Any]:
    paths = engine.volume_paths(list(stock.volumes.values()))
    missing = sorted(set(stock.volumes.values()) - set(paths))
    if missing:
        raise EngineError(f"{engine.name} does not say where {missing[0]} lies")
    return {name: paths[volume] for name, volume in stock.volumes.items()}


class _Facts:
    """What is said of the desktop beside its files, gathered while restic is at work."""

    def __init__(self, task: Task, stock: Inventory, work: Workspace, report: Report) -> None:
        self.task = task
        self.report = report
        self.stock = stock
        self.work = work
        self.pool = ThreadPoolExecutor(3)
        self.kept_images: str | None = None
        self.pictures: Future[tuple[str, ...]] | None = None
        self.shown: tuple[str, ...] = ()

    def __enter__(self) -> _Facts:
        plan = None if self.stock.found.modules else self.task.plan(self.stock.file)
        self.recipes = self.pool.submit(self._recipes)
        self.images = self.pool.submit(inventory.images, self.task.engine, self.stock, plan)
        self.owners = self.pool.submit(self._owners)
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.shutdown(cancel_futures=True)

    def _owners(self) -> dict[str, int]:
        paths = {name: str(path) for name, path in self.work.mounted.items()}
        found = near(self.task.engine, "owners", *paths.values()) if paths else {}
        return {name: int(found[path]) for name, path in paths.items()}

    def _recipes(self) -> list[str]:
        folder = self.work.desktop / MODULES
        shutil.rmtree(folder, ignore_errors=True)
        try:
            return self.task.recipes(self.stock.file, folder)
        except FileError as error:
            self.report(Note(f"its modules are not kept, since they are not here as it was made from them: {error}"))
            return []

    def look(self) -> None:
        """Begin to take the pictures; those that were begun before are let come first."""
        if self.pictures is not None:
            self.pictures.result()
        self.pictures = self.pool.submit(inventory.pictures, self.task.engine, self.stock.found, self.work.desktop)

    def looked(self) -> None:
        """See to it that all is known."""
        write_lock(self.work.desktop, self.images.result())
        self.owners.result()
        self.recipes.result()
        self.shown = self.pictures.result() if self.pictures else ()

    def write(self) -> None:
        """Write down the moment."""
        owners = self.owners.result()
        Manifest(
            desktop=self.task.name,
            engine=self.task.engine.name,
            taken=datetime.now(UTC).isoformat(timespec="milliseconds"),
            running=self.stock.running,
            file=self.stock.file.model_dump(mode="json", by_alias=True, exclude_unset=True),
            volumes=tuple(Kept(n, inventory.seen_at(n, self.stock.file), owners[n]) for n in self.stock.volumes),
            pictures=self.shown,
            images=self.kept_images,
            modules=tuple(self.recipes.result()),
        ).write(self.work.desktop)


def _read(task: Task, work: Workspace, facts: _Facts, report: Report) -> tuple[Reading, Moment]:
    images = [f"images:{facts.kept_images}"] if facts.kept_images else []
    tags = [OURS, f"desktop:{task.name}", *images, *task.tags]
    started, mark = time.time(), task.repository.mark()
    warm = None
    with contextlib.ExitStack() as stack:

        def begun() -> Reading:
            return stack.enter_context(Reading(task.repository, work, tags, gated=True, urgent=True))

        last = begun()  # it opens the repository, which takes half a second, while it is found out whether it may go on
        since = _since(task, work, mark) if work.mounted else time.time()
        if since is not None:
            facts.look()
        much = since is None or _much(task, work, since)
        if much:
            afar = task.repository.local is None
            if afar:  # a connection on which nothing is said for an hour may be gone then
                last.end()
            warm = _warm(task, work, report)  # the other waits meanwhile: what is in the repository it asks only then
            last = begun() if afar else last
            facts.look()
        moment = _stopped(task, facts, last) if task.stopped else _still(task, facts, last, report, LONGEST if much else SHORT)
        if moment is None:  # there was more to read than was thought
            warm = _warm(task, work, report)
            last = begun()
            facts.look()
            moment = _still(task, facts, last, report, LONGEST)
        if moment is None:
            raise RepositoryError(
                f"what had changed could not be kept within {LONGEST:.0f} s, and the desktop cannot stand still longer",
                hint="nothing was kept; is the repository slow, or very much being written?",
            )
        last.result(whole=True)
    if task.repository.mark() != mark:
        raise RepositoryError(
            f"the repository at {task.repository.shown} went away while it was written: nothing was kept",
            hint="restic may have begun another one at that place; remove it before you bring the first one back",
        )
    if warm is not None:
        last.discard(warm.result(whole=False))
        last.summary["data_added"] = last.summary.get("data_added", 0) + warm.summary.get("data_added", 0)
    _remember(task, work, started, mark)
    return last, moment


def _warm(task: Task, work: Workspace, report: Report) -> Reading:
    """Read everything while the desktop runs: what that makes is not of one moment."""

    def progress(done: int, total: int) -> None:
        report(Count(done // 1024**2, max(total // 1024**2, 1), "MB"))

    with step(report, "read", "reading the files while the desktop runs"):
        tags = [WARM, f"desktop:{task.name}"]
        with Reading(task.repository, work, tags, gated=False, progress=progress) as reading:
            reading.result(whole=False)
    return reading


def _stopped(task: Task, facts: _Facts, last: Reading) -> Moment:
    """Let restic read what has changed once the desktop is down."""
    facts.looked()
    _must_wait(last)
    assert task.stopped is not None
    task.stopped()
    facts.write()
    last.open()
    last.wait()
    return Moment()


def _still(task: Task, facts: _Facts, last: Reading, report: Report, longest: float) -> Moment | None:
    """Let restic read what has changed while nothing changes; None if that took longer than it may, and was given up."""
    stock = facts.stock
    with lock(f"{task.engine.name}.{task.name}"):  # nothing is started or taken away meanwhile
        writers = stock.writers_now(task.engine)
        if not writers:
            facts.looked()
            _must_wait(last)
            facts.write()
            last.open()
            last.wait()
            return Moment()
        with hold(task.engine, writers, stock.targets) as held:
            facts.looked()
            _must_wait(last)
            with step(report, "still", "the desktop stands still"), held.frozen() as moment:
                facts.write()
                last.open()
                in_time = last.wait(longest)
    if not in_time:
        last.end()  # once they go on
    return moment if in_time else None


def _must_wait(last: Reading) -> None:
    """Wait until restic waits.

    Raises:
        RepositoryError: it does not.
    """
    if not last.at_gate():
        last.result(whole=True)
        raise RepositoryError("restic did not wait until the desktop stood still", hint="is it restic, 0.14 or newer?")


# -- whether a first pass is worth it ------------------------------------------------------------------------------------


def _since(task: Task, work: Workspace, mark: tuple[int, int] | None) -> float | None:
    """When the last snapshot in this repository was begun, by a note of ours; None when nothing is known of one."""
    try:
        last = json.loads((work.folder / "last.json").read_text())
        same = last["repository"] == task.repository.where and last["mark"] == (list(mark) if mark else None)
        known = same and set(last["volumes"]) == set(work.mounted)
        return float(last["started"]) if known else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _much(task: Task, work: Workspace, since: float) -> bool:
    """Whether more has changed since the last snapshot than can be read while the desktop stands still."""
    if not work.mounted:
        return False
    found = near(task.engine, "changed", str(since), *map(str, work.mounted.values()))
    return int(found["bytes"]) > (LITTLE if task.repository.local else LITTLE_AFAR)


def _remember(task: Task, work: Workspace, started: float, mark: tuple[int, int] | None) -> None:
    """Note when the last snapshot was begun: no more than a hint for the next one."""
    data = {"repository": task.repository.where, "mark": mark, "started": started, "volumes": sorted(work.mounted)}
    (work.folder / "last.json").write_text(json.dumps(data))
