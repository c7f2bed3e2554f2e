"""The disks of a machine that runs, and its state to another one: what PID 1 (`disks.c`) tells and may be asked.

The move itself is PID 1's, at the next start (`move.c`); it judges the disk once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modulux.errors import NotFoundError, StorageError
from modulux.machine.control import Door, ask

BLANK = "nothing"
"""What PID 1 says that a disk holds when both its ends are zeros."""

REASONS = {
    "state": ("has the state already", None),
    "busy": ("is in use: the machine runs from it, or a file system of it is mounted", "another disk"),
    "read-only": ("cannot be written", None),
    "removable": ("can be pulled out, and is not there yet when the state is needed", "a disk that is built in"),
}
"""Why a disk cannot take the state, and what to do, by how it is used."""


@dataclass(frozen=True)
class Disk:
    """A whole disk. `id` is what it calls itself wherever it is plugged in, `use` `free` or one of REASONS; size in bytes."""

    name: str
    size: int
    id: str | None
    model: str | None
    holds: str
    use: str

    def to_json(self) -> dict[str, Any]:
        return {
            "device": f"/dev/{self.name}",
            "size": self.size,
            "id": self.id,
            "model": self.model,
            "holds": self.holds,
            "use": self.use,
        }


@dataclass(frozen=True)
class State:
    """What keeps: its disk or partition (None: it lies in memory), and bytes: of its file system, used, free."""

    device: str | None
    size: int
    used: int
    free: int

    def to_json(self) -> dict[str, Any]:
        return {
            "device": f"/dev/{self.device}" if self.device else None,
            "file_system": "ext4" if self.device else "tmpfs",
            "size": self.size,
            "used": self.used,
            "free": self.free,
        }


@dataclass(frozen=True)
class Storage:
    """State and disks; which disk is to have it at the next start, why the last move was refused, where an old one lies.

    `back` is whether it goes back to the old one, as that was before it was moved.
    """

    state: State
    disks: tuple[Disk, ...]
    wanted: str | None = None
    back: bool = False
    refused: str | None = None
    old: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "state": self.state.to_json(),
            "disks": [disk.to_json() for disk in self.disks],
            "wanted": self.wanted,
            "back": self.back,
            "refused": self.refused,
            "old": self.old,
        }


@dataclass(frozen=True)
class Move:
    """The state to a disk, what that holds being erased if `erase`."""

    disk: Disk
    erase: bool

    @property
    def words(self) -> tuple[str, ...]:
        """The command that PID 1 understands."""
        return ("move", self.disk.name, self.disk.id or "-", str(self.disk.size), "erase" if self.erase else "blank")


def read(lines: Sequence[str]) -> Storage:
    """What PID 1 answers to `disks`."""
    state, disks, other = State(None, 0, 0, 0), [], dict[str, list[str]]()
    for kind, *words in (line.split("\t") for line in lines):
        if kind == "state":
            state = State(None if words[0] == "-" else words[0], *map(int, words[1:4]))
        elif kind == "disk":
            id, model = (None if word == "-" else word.strip() for word in words[2:4])
            disks.append(Disk(words[0], int(words[1]), id, model, words[4], words[5]))
        else:
            other[kind] = words
    wanted, refused, old = (other.get(kind, [None])[0] for kind in ("wanted", "refused", "old"))
    back = other.get("wanted", [])[1:] == ["back"]
    return Storage(state, tuple(disks), wanted, back, refused, old)


def look(control: Door) -> Storage:
    """The disks of the machine at this port.

    Raises:
        EngineError, NotReadyError: as `ask`; a machine of before this verb refuses it.
    """
    return read(ask(control, "disks"))


def plan(there: Storage, word: str, *, erase: str | None) -> Move:
    """How the state gets to a disk.

    Args:
        word: the disk's name, device or id.
        erase: that disk once more, by whoever wants what it holds to be erased.

    Raises:
        NotFoundError: there is no such disk.
        StorageError: it cannot take the state.
    """
    disk = _chosen(there, word)
    said = f"/dev/{disk.name}"
    if there.state.device is None:
        raise StorageError("the machine's state lies in memory: there is nothing to move", hint="modulux machine log NAME")
    if disk.use in REASONS:
        why, hint = REASONS[disk.use]
        raise StorageError(f"{said} {why}", hint=hint)
    if disk.size < there.state.size:
        needed = -(-there.state.size // 10**6)
        raise StorageError(
            f"{said} is too small: {disk.size // 10**6} of {needed} MB", hint="a disk at least as large as the state"
        )
    erased = erase is not None and _chosen(there, erase) == disk
    if disk.holds != BLANK and not erased:
        raise StorageError(f"{said} holds {disk.holds}, which would be erased", hint=f"--erase {disk.name}")
    return Move(disk, erase=disk.holds != BLANK)


def _chosen(there: Storage, word: str) -> Disk:
    found = [d for d in there.disks if word in (d.name, f"/dev/{d.name}", d.id)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"/dev/{d.name}" for d in there.disks)
    if found:
        raise StorageError(f"several disks call themselves `{word}`", hint=f"one of {names}")
    raise NotFoundError(f"the machine has no disk `{word}`", hint=f"there are: {names}" if names else None)


def request(control: Door, move: Move) -> None:
    """Have PID 1 note it on the state; durable when this returns.

    Raises:
        EngineError, NotReadyError: as `ask`.
    """
    ask(control, *move.words)


def go_back(control: Door) -> None:
    """Have it go back, at the next start, to what it was before it was moved, where that lies. Raises as `ask`."""
    ask(control, "back")


def take_back(control: Door) -> None:
    """What was requested is no longer wanted. Raises as `ask`."""
    ask(control, "stay")


def forget_old(control: Door) -> None:
    """Remove what the state was before it was moved. Raises as `ask`."""
    ask(control, "forget", timeout=600.0)
