"""A move's own record: which step is under way, and all that is needed to go on or go back, whatever ended the process before.

One file for each engine, replaced as a whole and on the disk before the next step begins. `/var/lib/modulux/storage` holds it,
with the lock that keeps a second process away and a file that says how far the copying is.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from modulux import run
from modulux.errors import DamagedError, NewerError, StorageError
from modulux.model.base import Model
from modulux.storage.configured import unfinished, write
from modulux.storage.facts import Facts, Inventory

FOLDER = Path("/var/lib/modulux/storage")
VERSION = 1

RESERVE = 256 << 10

_held: list[tuple[str, int]] = []


class Step(StrEnum):
    """What is under way; each can be begun again.

    Until SWITCH is through, the old place holds what counts; after it, the new one does.
    """

    WARM = "warm"
    STOP = "stop"
    FINAL = "final"
    VERIFY = "verify"
    SWITCH = "switch"
    START = "start"
    CHECK = "check"
    DONE = "done"
    CLEAN = "clean"


class Task(StrEnum):
    """MOVE: to the new place. BACK: what counts there is carried back.

    ABANDON: the old place never ceased to count. COMMIT: the old tree is removed.
    """

    MOVE = "move"
    BACK = "back"
    ABANDON = "abandon"
    COMMIT = "commit"


class Journal(Model):
    """The record.

    place: where the engine looks for its data. target: where they are moved to. disk: where that one's disk is mounted.
    kept: the old tree's name after the switch. back: where the way back is made ready. *_inode: tells these folders apart from
    others of the same names. flagged: the copy may hold files that chattr locks. ran: the engine has run on the new place.
    was: what the configuration said before (--reconfigure). before: where an earlier move has put the data,
    which are mounted at the place; it is this folder then that gets another name.
    """

    version: int = VERSION
    id: str
    facts: Facts
    task: Task = Task.MOVE
    step: Step = Step.WARM
    mode: Literal["bind", "reconfigure"] = "bind"
    verify: Literal["sample", "all"] = "sample"
    drop_temporary: bool = False
    discard: bool = False
    place: Path
    target: Path
    disk: Path
    kept: Path
    back: Path
    place_inode: int
    target_inode: int | None = None
    back_inode: int | None = None
    granularity: int = 1
    flagged: bool = False
    ran: bool = False
    was: str | None = None
    before: Path | None = None
    inventory: Inventory | None = None
    began: float = Field(default_factory=time.time)
    stood_still: float | None = None
    """When the engine was stopped, in seconds since 1970."""

    downtime: float | None = None
    error: str | None = None
    retry: bool = False
    """After the way back the move waits to be tried again."""

    history: list[str] = []

    @property
    def origin(self) -> Path:
        """The folder of the data, before the move."""
        return self.before or self.place

    @property
    def tree(self) -> Path:
        """What takes the old place on the way back."""
        return self.kept if self.discard else self.back

    @property
    def tree_inode(self) -> int | None:
        return self.place_inode if self.discard else self.back_inode

    @property
    def marker(self) -> Path:
        """Beside the copy: says that this disk is the one meant. Without it another disk, or none, is mounted there."""
        return self.target.parent / f".{self.target.name}.modulux-{self.id}"


def path(key: str) -> Path:
    """The record's file; `key` as `Facts.key` says it."""
    return FOLDER / f"{key}.json"


def save(journal: Journal, **changes: Any) -> Journal:
    """Write the record with `changes`; it is on the disk when this returns."""
    new = journal.model_copy(update=changes)
    if (new.task, new.step) != (journal.task, journal.step) or not new.history:
        moment = time.strftime("%Y-%m-%d %H:%M:%S")
        new = new.model_copy(update={"history": [*new.history, f"{moment} {new.task} {new.step}"]})
    content = new.model_dump_json(indent=1) + "\n"
    try:
        write(path(new.facts.key), content, mode=0o600)  # a daemon's environment may hold secrets
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        reserve(new.facts.key).unlink(missing_ok=True)  # the system disk is full, which is why one moves
        write(path(new.facts.key), content, mode=0o600)
    return new


def reserve(key: str) -> Path:
    """A file that keeps room for the record."""
    return FOLDER / f"{key}.reserve"


def keep_room(key: str) -> None:
    """Make the reserve: the record must be able to be written when nothing else can."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    reserve(key).write_bytes(os.urandom(RESERVE))


def load(key: str) -> Journal | None:
    """The record of a move that is under way or waits for commit or undo.

    Raises:
        NewerError: a newer version of Modulux wrote it.
        DamagedError: it is not one.
    """
    file = path(key)
    try:
        data = json.loads(file.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise DamagedError(
            f"{file} is damaged: {error}", hint="nothing was touched; restore the file, or ask for help with it"
        ) from None
    if isinstance(data, dict) and data.get("version", 0) > VERSION:
        raise NewerError(f"{file} was written by a newer version of Modulux", hint="use that version")
    try:
        return Journal.model_validate(data)
    except ValidationError as error:
        raise DamagedError(f"{file} is damaged: {error.errors()[0]['msg']}", hint="nothing was touched") from None


def close(journal: Journal) -> None:
    """The move is over: its record is kept under another name, for whoever wonders later."""
    file = path(journal.facts.key)
    ended = FOLDER / "ended"
    ended.mkdir(exist_ok=True)
    file.replace(ended / f"{journal.facts.key}-{journal.id}.json")
    for left in (unfinished(file), progress_file(journal.facts.key), reserve(journal.facts.key)):
        with contextlib.suppress(OSError):
            left.unlink()
    folder = os.open(FOLDER, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def progress_file(key: str) -> Path:
    """Where the one at work leaves word."""
    return FOLDER / f"{key}.progress"


def tell(key: str, text: str) -> None:
    """Leave word of how far it is, for `storage show`; never worth an error."""
    with contextlib.suppress(OSError):
        progress_file(key).write_text(text + "\n")


def told(key: str) -> str:
    """The last word of the one at work; empty without."""
    try:
        return progress_file(key).read_text().strip()
    except OSError:
        return ""


@contextlib.contextmanager
def lock(key: str, patience: float = 20.0) -> Iterator[int]:
    """Be the only process that works on this engine's move. Gives the lock's file descriptor.

    Raises:
        StorageError: another one does.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    fd = os.open(FOLDER / f"{key}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                # what a killed one has started may need a moment to notice
                if time.monotonic() > deadline:
                    raise StorageError(
                        f"another process is at work on the storage of {key}: {told(key) or 'it has said nothing yet'}",
                        hint="modulux storage show tells how far it is",
                    ) from None
                time.sleep(0.2)
        _held.append((key, fd))
        yield fd
    finally:
        with contextlib.suppress(ValueError):
            _held.remove((key, fd))
        os.close(fd)


def busy(key: str) -> bool:
    """Whether a process is at work on it now."""
    try:
        fd = os.open(FOLDER / f"{key}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


@contextlib.contextmanager
def lock_for_children(key: str) -> Iterator[None]:
    """What is started within the context holds the lock too: a copier that outlives us still counts as at work."""
    fds = [fd for held, fd in _held if held == key]
    added = set(fds) - run.HELD
    run.HELD.update(added)
    try:
        yield
    finally:
        run.HELD.difference_update(added)
