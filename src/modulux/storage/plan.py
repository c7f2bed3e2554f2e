"""What a move comes to, and why it cannot be, before anything is touched."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from modulux.errors import StorageError
from modulux.model.base import Model
from modulux.storage import journal as record
from modulux.storage import service
from modulux.storage.boot import unit_files
from modulux.storage.destination import judge, known_from_outside
from modulux.storage.engines.driver import Driver
from modulux.storage.facts import Facts, Inventory
from modulux.storage.journal import Journal
from modulux.storage.mounts import at, below, existing, mount_of, mounts, on_itself, same_file_system, space
from modulux.storage.shown import mounted
from modulux.storage.tree import measure

ROOM = 1.05
"""Free space and inodes that must be there, for each byte and inode of the source."""

SPARE = 64 << 20
"""Bytes that must be there beyond that: the engine goes on to live there."""

FILES_A_SECOND = 4000.0
LOOKED_AT_A_SECOND = 12000.0
"""Cautious guesses: how many files are copied and compared in a second, beside the bytes."""

OWN = frozenset({"overlay", "tmpfs", "nsfs", "fuse.fuse-overlayfs", "proc", "sysfs"})
"""What engines mount below their root for running containers."""


class Options(Model):
    """What the person asked for."""

    destination: Path
    mode: Literal["bind", "reconfigure"] = "bind"
    same_disk: bool = False
    verify: Literal["sample", "all"] = "sample"
    drop_temporary: bool = False


class Plan(Model):
    """A move, before it begins.

    bytes, inodes: what there is to carry. copy_seconds, still_seconds: guesses at how long copying and standstill take.
    stops: containers that run and will be stopped and started. loses: those that the engine removes by itself when they stop.
    """

    facts: Facts
    options: Options
    target: Path
    bytes: int
    inodes: int
    from_disk: str
    to_disk: str
    to_free: int
    copy_seconds: float
    still_seconds: float
    granularity: int
    stops: list[str]
    loses: list[str]
    written: list[Path]
    refused: list[str]
    notes: list[str]


def target_of(destination: Path, engine: str) -> Path:
    """The folder that the data will be: one of the engine's name in a folder that is there, else the destination itself."""
    destination = Path(os.path.realpath(destination))
    return destination / engine if destination.is_dir() else destination


def plan(driver: Driver, options: Options, progress: Callable[[], None] = lambda: None) -> Plan:
    """Look at everything that the move depends on."""
    facts = driver.facts
    target = target_of(options.destination, facts.key)
    refused = [*facts.refused]
    if os.geteuid() != 0:
        refused.append(f"only root may copy devices, owners and trusted attributes: sudo modulux storage move {facts.words} …")
    before = _moved_before(facts.root) if options.mode == "bind" else None
    refused += _places(facts, target, options, before)
    size = measure(os.fsencode(facts.root), progress)
    held = driver.inventory() if facts.running and not facts.refused else Inventory()
    refused += _containers(held, options)
    notes = [*facts.notes]
    needed_bytes, needed_inodes = int(size.allocated * ROOM) + SPARE, int(size.inodes * ROOM) + 100
    if refused:
        refused += known_from_outside(mount_of(target), facts.driver)
        judged_rate, granularity = 0.0, 1
    else:
        judged = judge(target, facts.driver, needed_bytes=needed_bytes, needed_inodes=needed_inodes)
        refused, judged_rate, granularity = judged.reasons, judged.rate, judged.granularity
        notes += judged.notes
    notes += [f"{part.name} lie elsewhere and stay there: {', '.join(map(str, part.folders))}" for part in facts.outside]
    if Path("/sys/fs/selinux/enforce").exists() and options.mode == "reconfigure":
        notes.append(f"SELinux: semanage fcontext -a -e {facts.root} {target} && restorecon -R {target}, once it is moved")
    copy = size.data / (judged_rate or 100e6) + size.inodes / FILES_A_SECOND
    return Plan(
        facts=facts,
        options=options,
        target=target,
        bytes=size.allocated,
        inodes=size.inodes,
        from_disk=str(mount_of(facts.root).point),
        to_disk=str(mount_of(existing(target)).point),
        to_free=space(target).free,
        copy_seconds=copy if options.verify == "sample" else copy * 2,
        still_seconds=5
        + 2 * len(held.running)
        + 2 * size.inodes / LOOKED_AT_A_SECOND
        + (copy if options.verify == "all" else 0),
        granularity=granularity,
        stops=[c.name for c in held.running],
        loses=[c.name for c in held.running if c.temporary],
        written=_written(facts, target, options),
        refused=refused,
        notes=notes,
    )


def _containers(held: Inventory, options: Options) -> list[str]:
    refused = []
    temporary = [c.name for c in held.running if c.temporary]
    if temporary and not options.drop_temporary:
        refused.append(
            f"{', '.join(temporary)} was started with --rm: the engine removes it when it stops, with its data; "
            "--drop-temporary lets that happen"
        )
    if paused := [c.name for c in held.containers if c.paused]:
        refused.append(f"{', '.join(paused)} is paused and cannot be stopped in order: unpause it first")
    return refused


def _places(facts: Facts, target: Path, options: Options, before: Path | None) -> list[str]:
    """What is wrong with where it is to go, and how the old place is mounted."""
    root, refused = facts.root, list[str]()
    for place in [root, *([before] if before else [])]:
        if target.is_relative_to(place):
            return [f"{target} lies inside of {place}, which is to be moved"]
        if place.is_relative_to(target):
            return [f"{place}, which is to be moved, lies inside of {target}"]
    if not existing(target).is_dir() or not target.parent.is_dir():
        return [f"{target.parent} is not a folder that is there"]
    if target.exists() and any(target.iterdir()):
        refused.append(f"{target} is not empty")
    if same_file_system(root, target) and not options.same_disk:
        refused.append(f"{target} lies on the same disk as {root}, so that no room is won; --same-disk does it all the same")
    if options.mode == "reconfigure":
        refused += _not_configurable(facts)
    return refused + _mounted(root, options, before)


def _not_configurable(facts: Facts) -> list[str]:
    if facts.engine == "podman":
        return ["Podman's database remembers the old path and would not take another: leave --reconfigure away"]
    if re.fullmatch(r"\d+\.\d+", facts.root.name):
        return ["Docker maps its users (userns-remap) and keeps each mapping's data apart: leave --reconfigure away"]
    told = [origin for origin in facts.origins if origin.where not in ("nowhere", str(facts.config))]
    way = "which goes before its configuration file: change it there, or leave --reconfigure away"
    return [f"{facts.engine}'s folder is given in {o.where} ({o.says}), {way}" for o in told]


def _mounted(root: Path, options: Options, before: Path | None) -> list[str]:
    listed, refused = mounts(), list[str]()
    mount = at(root, listed)
    if mount is not None and not on_itself(mount, listed) and options.mode == "bind" and before is None:
        refused.append(f"{root} is a mount of its own ({mount.source}): mount the new disk there instead, or use --reconfigure")
    for inner in below(root, listed):
        volume = inner.point.name == "_data" and inner.point.parent.parent.name == "volumes"
        if inner.fstype not in OWN and not on_itself(inner, listed) and not volume:
            refused.append(f"{inner.source} is mounted inside of it, at {inner.point}")
    return refused


def _moved_before(root: Path) -> Path | None:
    """Where an earlier move has put it, when that is committed and mounted there."""
    for file in sorted((record.FOLDER / "ended").glob("*.json"), reverse=True):
        old = Journal.model_validate_json(file.read_text())
        if old.place == root and old.mode == "bind" and old.task is record.Task.COMMIT:
            return old.target if mounted(old) else None
    return None


def _written(facts: Facts, target: Path, options: Options) -> list[Path]:
    """Files of the machine's configuration that will be written."""
    if options.mode == "reconfigure":
        return [facts.config] if facts.config else []
    if service.systemd():
        return list(unit_files(new_journal(facts, target, options, 1)))
    return [Path("/etc/fstab")]


def new_journal(facts: Facts, target: Path, options: Options, granularity: int) -> Journal:
    """The record with which a move begins."""
    root = facts.root
    before = _moved_before(root) if options.mode == "bind" else None
    origin = before or root
    kept = next(p for n in range(1000) if not (p := origin.with_name(f"{origin.name}.modulux-old{n or ''}")).exists())
    return Journal(
        id=time.strftime("%Y%m%d-%H%M%S"),
        facts=facts,
        mode=options.mode,
        verify=options.verify,
        drop_temporary=options.drop_temporary,
        place=root,
        target=target,
        disk=mount_of(target).point,
        kept=kept,
        back=origin.with_name(f"{origin.name}.modulux-back"),
        before=before,
        place_inode=origin.stat().st_ino,
        granularity=granularity,
    )


def begin(made: Plan) -> Journal:
    """Write the record of a planned move; from here on it can be gone on with.

    Raises:
        StorageError: it cannot be; all reasons are in the message.
    """
    if made.refused:
        reasons = "\n".join(f"  {reason}" for reason in made.refused)
        raise StorageError(f"{made.facts.name} cannot be moved to {made.target}:\n{reasons}", hint="nothing was touched")
    record.keep_room(made.facts.key)
    return record.save(new_journal(made.facts, made.target, made.options, made.granularity))
