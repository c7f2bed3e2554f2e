"""Keeping a desktop: its files as they are at one moment, what it is made of, and its picture.

While the desktop runs, restic reads everything once; then the desktop stands still, and restic looks at each file once more but
reads only those that have changed since. If little has changed since the last snapshot, the first part is left out.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from modulux.engine.files import near
from modulux.engine.protocol import Detail, Engine
from modulux.errors import EngineError, FileError, RepositoryError
from modulux.keep import inventory
from modulux.keep.freeze import Moment, hold
from modulux.keep.images import keep_images
from modulux.keep.inventory import Inventory, take_stock
from modulux.keep.manifest import Kept, Manifest, write_lock
from modulux.keep.passes import Passes
from modulux.keep.reading import Reading
from modulux.keep.recipes import MODULES
from modulux.keep.restic import OURS, Repository
from modulux.keep.workspace import Workspace
from modulux.model.desktop import Desktop
from modulux.model.plan import Plan
from modulux.paths import lock
from modulux.report import Note, Report, step

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
        tags = [OURS, f"desktop:{task.name}", *task.tags]
        with Passes(engine, task.repository, task.name, tags, known=not task.with_images) as passes:
            stock = take_stock(engine, task.name, task.file)
            with _Facts(task, stock, passes.over(_paths(stock, engine.name)), report) as facts:
                if task.with_images:
                    facts.kept_images = keep_images(engine, task.repository, facts.images.result(), report)
                    passes.tags.append(f"images:{facts.kept_images}")
                reading, moment = _read(task, passes, facts, report)
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


def _paths(stock: Inventory, engine: str) -> dict[str, Path]:
    missing = sorted(set(stock.volumes.values()) - set(stock.paths))
    if missing:
        raise EngineError(f"{engine} does not say where {missing[0]} lies")
    return {name: stock.paths[volume] for name, volume in stock.volumes.items()}


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


def _read(task: Task, passes: Passes, facts: _Facts, report: Report) -> tuple[Reading, Moment]:
    """Make the snapshot: at once where little has changed since the last one, else after everything was read once."""
    moment = None
    passes.last()
    if passes.since is not None:
        facts.look()
        moment = _moment(task, passes, facts, report, passes.since)
    for _ in range(2):
        if moment is None:
            passes.first(report)
            facts.look()
            moment = _moment(task, passes, facts, report)
    if moment is None:
        raise RepositoryError(
            f"what had changed could not be kept within {LONGEST:.0f} s, and the desktop cannot stand still longer",
            hint="nothing was kept; is the repository slow, or very much being written?",
        )
    return passes.done(), moment


def _moment(task: Task, passes: Passes, facts: _Facts, report: Report, since: float | None = None) -> Moment | None:
    """Let the last pass read what has changed while nothing changes; None if that is too much.

    Args:
        since: since when, where nothing was read before.
    """
    if task.stopped is not None:
        if since is not None and _much(task, passes.work, since):
            return None
        return _stopped(facts, passes.last(), task.stopped)
    with lock(f"{task.engine.name}.{task.name}"), ThreadPoolExecutor(1) as pool:  # nothing is started or taken away meanwhile
        now = pool.submit(facts.stock.writers_now, task.engine)
        if since is not None and _much(task, passes.work, since):
            return None
        longest = LONGEST if since is None else SHORT
        return _still(task, facts, passes.last(), report, writers=now.result(), longest=longest)


def _stopped(facts: _Facts, last: Reading, stop: Callable[[], None]) -> Moment:
    """Let restic read once the desktop is down."""
    facts.looked()
    _must_wait(last)
    stop()
    facts.write()
    last.open()
    last.wait()
    last.result(whole=True)
    return Moment()


def _still(
    task: Task, facts: _Facts, last: Reading, report: Report, *, writers: Sequence[Detail], longest: float
) -> Moment | None:
    """Let restic read while those who could write stand still; None if that took longer than it may, and was given up."""
    if not writers:
        return _stopped(facts, last, lambda: None)
    with hold(task.engine, writers, facts.stock.targets) as held:
        facts.looked()
        _must_wait(last)
        with step(report, "still", "the desktop stands still"), held.frozen() as moment:
            facts.write()
            last.open()
            in_time = last.wait(longest)
    if not in_time:
        last.end()  # once they go on
        return None
    last.result(whole=True)
    return moment


def _must_wait(last: Reading) -> None:
    """Wait until restic waits.

    Raises:
        RepositoryError: it does not.
    """
    if not last.at_gate():
        last.result(whole=True)
        raise RepositoryError("restic did not wait until the desktop stood still", hint="is it restic, 0.14 or newer?")


def _much(task: Task, work: Workspace, since: float) -> bool:
    """Whether more has changed since the last snapshot than can be read while the desktop stands still."""
    if not work.mounted:
        return False
    found = near(task.engine, "changed", str(since), *map(str, work.mounted.values()))
    return int(found["bytes"]) > (LITTLE if task.repository.local else LITTLE_AFAR)
