"""A built machine → a disk image that the firmware of a PC (UEFI) boots: boot programs, two slots, a partition that keeps."""

from __future__ import annotations

import json
import shutil
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modulux.errors import HostError, NotFoundError
from modulux.machine.build import KERNEL, RECORD, START, STORE, SYSTEM, link, noted
from modulux.machine.in_use import refuse_used
from modulux.machine.slots import ESP, SLOTS, STATE, kernel_words, label, release
from modulux.machine.tools import Tools
from modulux.report import Report, step

MIB = 1024**2
SECTOR = 512
ESP_SIZE = 256 * MIB
GRAIN = 64 * MIB
"""Sizes of a slot's partitions are multiples of it."""

LOADER = "timeout 0\neditor no\n"
"""For the boot loader: no menu unless a key is held."""

TYPES = {
    "esp": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
    "data": "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
}
"""Kinds of partitions, as the UEFI specification and Linux number them."""

OURS = uuid.UUID("6d6f6475-6c75-5873-8d61-6368696e6500")
"""The name space of a disk's and its partitions' own numbers, which follow from what the disk holds."""


@dataclass(frozen=True)
class Partition:
    """One of a disk's, in bytes."""

    label: str
    kind: str
    start: int
    size: int


@dataclass(frozen=True)
class Layout:
    """A disk's partitions, in their order; the last one can grow."""

    partitions: tuple[Partition, ...]
    size: int

    def at(self, label: str) -> Partition:
        """The partition of that label."""
        return next(p for p in self.partitions if p.label == label)


def layout(sizes: Mapping[str, int], state: int) -> Layout:
    """How a disk is parted.

    Args:
        sizes: of a slot's `system` and `store` today, in bytes. Its partitions get twice that, for the upgrades to come.
        state: size of the partition that keeps.
    """
    wanted = [(ESP, "esp", ESP_SIZE)]
    wanted += [(label(part, slot), "data", room(sizes[part])) for slot in SLOTS for part in ("system", "store")]
    wanted += [(STATE, "data", -(-state // MIB) * MIB)]
    partitions, at = [], MIB
    for name, kind, size in wanted:
        partitions.append(Partition(name, kind, at, size))
        at += size
    return Layout(tuple(partitions), at + MIB)  # the table's copy lies at the end


def room(bytes: int) -> int:
    """The size of a partition for a file of so many bytes and its successors."""
    return -(-2 * bytes // GRAIN) * GRAIN


def table(parted: Layout, seed: str) -> str:
    """What `sfdisk` is to make of an empty disk; all numbers in it follow from `seed`."""
    lines = ["label: gpt", f"label-id: {uuid.uuid5(OURS, seed)}", "unit: sectors", f"first-lba: {MIB // SECTOR}", ""]
    for p in parted.partitions:
        own = uuid.uuid5(OURS, f"{seed}/{p.label}")
        lines.append(f'start={p.start // SECTOR}, size={p.size // SECTOR}, type={TYPES[p.kind]}, uuid={own}, name="{p.label}"')
    return "\n".join(lines) + "\n"


def boot_programs(work: Path, record: Mapping[str, Any], slots: Sequence[str], tools: Tools) -> list[Path]:
    """Boot programs of these slots, from the kernel and the start-up archive in the folder `work`."""
    (work / "release").write_text(release(record))
    for slot in slots:
        (work / f"words.{slot}").write_text(kernel_words(slot, record))
    tools.do("uki", work, *slots)
    return [work / f"{slot}.efi" for slot in slots]


def make(built: Path, out: Path, tools: Tools, report: Report) -> int:
    """Write the machine in the folder `built` as the disk image `out`; its size in bytes, most of which are a hole.

    Raises:
        HostError: there is no place for it.
        NotFoundError: an older version built it, without what it is checked by.
        StorageError: a machine runs from what it would replace.
    """
    refuse_used(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    except OSError as error:
        raise HostError(f"{out}: {error.strerror}", hint="another place: --disk FILE.img") from None
    try:
        work.chmod(0o755)
        with step(report, "disk", f"making the disk {out.name}"):
            made = make_in(built, work, tools)
        refuse_used(out)  # making it took a while
        note_beside(out, built)
        made.replace(out)
        return out.stat().st_size
    finally:
        shutil.rmtree(work, ignore_errors=True)


def make_in(built: Path, work: Path, tools: Tools) -> Path:
    """The disk image, in the folder `work` of which nothing else is kept.

    Raises:
        NotFoundError: an older version built the machine.
    """
    record = noted(built)
    if "verity" not in record:
        raise NotFoundError(f"what is in {built} was built by an older version of Modulux", hint="build it anew")
    for name in (KERNEL, START, SYSTEM, STORE):
        link(built / name, work / name)
    _fill(work, record, tools)
    return work / "disk.img"


def beside(disk: Path) -> Path:
    """The folder of what is known of the machine on a disk image: what its build noted, and its kernel to try KVM with."""
    return disk.with_name(f"{disk.name}.facts")


def taken(disk: Path) -> Path:
    """As `beside`.

    Raises:
        NotFoundError: it is not there.
    """
    if not (beside(disk) / RECORD).is_file():
        raise NotFoundError(
            f"{beside(disk)} is not there, which tells of the disk", hint="modulux machine build FILE --disk IMAGE"
        )
    return beside(disk)


def note_beside(disk: Path, built: Path) -> None:
    """Keep beside the disk what is known of the machine that is on it now."""
    folder = beside(disk)
    folder.mkdir(exist_ok=True)
    for name in (KERNEL, RECORD):
        new = folder / f".{name}.new"
        new.unlink(missing_ok=True)
        link(built / name, new)
        new.replace(folder / name)


def _fill(work: Path, record: Mapping[str, Any], tools: Tools) -> None:
    files = {"system": SYSTEM, "store": STORE}
    parted = layout({part: (work / name).stat().st_size for part, name in files.items()}, record["state"])
    (work / "table").write_text(table(parted, json.dumps([record["name"], record["verity"]], sort_keys=True)))
    (work / "loader.conf").write_text(LOADER)
    boot_programs(work, record, SLOTS[:1], tools)
    esp = parted.at(ESP)
    placed = [word for part, name in files.items() for word in (str(parted.at(label(part, SLOTS[0])).start), name)]
    tools.do("disk", work, *map(str, (parted.size, esp.start, esp.size)), *placed)
