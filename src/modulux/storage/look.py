"""What `storage show` tells: each engine with the sizes of its parts and its move, each disk with what it would do for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modulux.errors import ModuluxError
from modulux.storage import journal as record
from modulux.storage.destination import known_from_outside
from modulux.storage.facts import Facts
from modulux.storage.find import everything
from modulux.storage.journal import Step, Task
from modulux.storage.mounts import disks, same_file_system, space
from modulux.storage.plan import ROOM, SPARE
from modulux.storage.tree import measure


@dataclass(frozen=True)
class SeenEngine:
    """An engine; `sizes` in bytes by part, `move` in words where one is under way or waits."""

    facts: Facts
    sizes: dict[str, int]
    move: str | None

    def to_json(self) -> dict[str, Any]:
        facts = self.facts
        return {
            "engine": facts.engine,
            "user": facts.user,
            "version": facts.version or None,
            "running": facts.running,
            "root": str(facts.root),
            "driver": facts.driver,
            "parts": [
                {"name": part.name, "folders": list(map(str, part.folders)), "bytes": self.sizes.get(part.name)}
                for part in [*facts.parts, *facts.outside]
            ],
            "configured": [{"where": origin.where, "says": origin.says} for origin in facts.origins],
            "notes": facts.notes,
            "refused": facts.refused,
            "move": self.move,
        }


@dataclass(frozen=True)
class SeenDisk:
    """A disk; `fits` says of each engine why it would not do, None where it would."""

    point: Path
    fstype: str
    source: str
    size: int
    free: int
    inodes_free: int | None
    fits: dict[str, str | None]

    def to_json(self) -> dict[str, Any]:
        return {**self.__dict__, "point": str(self.point)}


@dataclass(frozen=True)
class Seen:
    """All of it."""

    engines: list[SeenEngine]
    disks: list[SeenDisk]

    def to_json(self) -> dict[str, Any]:
        return {"engines": [engine.to_json() for engine in self.engines], "disks": [disk.to_json() for disk in self.disks]}


def look(*, sizes: bool) -> Seen:
    """Look at every engine and disk. Writes nothing."""
    engines = [SeenEngine(facts, _sizes(facts) if sizes else {}, move_of(facts)) for facts in everything()]
    found = []
    for mount in disks():
        room = space(mount.point)
        fits = {e.facts.key: _why_not(e, mount.point, known_from_outside(mount, e.facts.driver), room.free) for e in engines}
        found.append(SeenDisk(mount.point, mount.fstype, mount.source, room.size, room.free, room.inodes_free, fits))
    return Seen(engines, found)


def _sizes(facts: Facts) -> dict[str, int]:
    found = {}
    for part in [*facts.parts, *facts.outside]:
        found[part.name] = sum(measure(os.fsencode(folder)).allocated for folder in part.folders if folder.is_dir())
    return found


def _why_not(engine: SeenEngine, point: Path, reasons: list[str], free: int) -> str | None:
    if same_file_system(engine.facts.root, point):
        return "it lies there already"
    if reasons:
        return reasons[0]
    needed = sum(engine.sizes.values()) * ROOM + SPARE
    return f"{free / 1e9:.1f} GB free, and {needed / 1e9:.1f} GB are needed" if free < needed else None


def move_of(facts: Facts) -> str | None:
    """The move of this engine, in words."""
    try:
        journal = record.load(facts.key)
    except ModuluxError as error:
        return str(error)
    if journal is None:
        return None
    if record.busy(facts.key):
        return f"to {journal.target}, at work: {record.told(facts.key) or journal.step}"
    if journal.task is Task.MOVE and journal.step is Step.DONE:
        waits = f"waits for `modulux storage commit {facts.words}` or `undo`"
        return f"moved to {journal.target}; the old tree is {journal.kept}; {waits}"
    why = f" ({journal.error.splitlines()[0]})" if journal.error else ""
    verb = {Task.MOVE: "move", Task.COMMIT: "commit"}.get(journal.task, "undo")
    return f"to {journal.target}, interrupted at `{journal.step}`{why}; `modulux storage {verb} {facts.words}` goes on"
