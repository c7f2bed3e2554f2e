"""A built machine → an ISO image: a CD or memory stick from which a PC's firmware (UEFI) starts the machine, to install it.

What the disk image of the machine holds lies in it once, in one file: the machine that is started reads its system and its
store where the installer reads what it writes. The kernel is told at which bytes, so that nobody needs a driver for the file
system of CDs.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modulux.errors import DamagedError, HostError
from modulux.machine.build import KERNEL, START, noted
from modulux.machine.disk import MIB, OURS, SECTOR, make_in, note_beside
from modulux.machine.in_use import refuse_used
from modulux.machine.install import extents, starts
from modulux.machine.slots import common_words, release
from modulux.machine.tools import Tools
from modulux.report import Report, step

PACK = "machine.pack"
"""The file on the medium: an index of a MiB, then the pieces of a disk that are not holes."""

MEDIUM = "medium"
"""As whose slot the boot program on the medium is made, and the folder of what only a medium has in its start-up archive."""

LARGEST_START = 65535 * SECTOR
"""What is started from a CD; its size is written in 16 bits (El Torito, 2.4)."""

LABEL_AT, LABEL_SIZE = 32808, 32
"""Where a volume's label lies (ECMA-119, 8.4.6)."""


@dataclass(frozen=True)
class Piece:
    """Of a disk: where it lies in the pack and where on the disk, in bytes, and its SHA-256."""

    source: int
    target: int
    size: int
    digest: str


def label(record: Mapping[str, Any]) -> str:
    """The name by which the machine finds the medium that it was started from; it follows from what that holds."""
    return f"MODULUX_{hashlib.sha256(_seed(record).encode()).hexdigest()[:16].upper()}"


def _seed(record: Mapping[str, Any]) -> str:
    return json.dumps([MEDIUM, record["name"], record["verity"]], sort_keys=True)


def pack(image: Path, out: Path, about: Sequence[str]) -> list[Piece]:
    """Write what the disk image holds as the file `out`, behind an index that says where each piece belongs.

    Args:
        about: lines of the index before those of the pieces.
    """
    pieces = []
    with image.open("rb") as source, out.open("wb") as target:
        target.seek(MIB)
        for begin, end in extents(image):
            size = -(-(end - begin) // MIB) * MIB  # whatever holes this host's file system makes
            at, digest = target.tell(), hashlib.sha256()
            source.seek(begin)
            for _ in range(size // MIB):
                content = source.read(MIB)
                digest.update(content)
                target.write(content)
            pieces.append(Piece(at, begin, size, digest.hexdigest()))
        target.seek(0)
        target.write(index(pieces, about).encode().ljust(MIB, b"\n"))
    return pieces


def index(pieces: Sequence[Piece], about: Sequence[str]) -> str:
    """What the installer reads; the piece that makes a disk one that can be started, its table, is the first."""
    lines = [f"piece {p.source} {p.target} {p.size} {p.digest}" for p in pieces]
    return "".join(f"{line}\n" for line in (*about, *lines))


def words(record: Mapping[str, Any], at: int, size: int, system: Piece, store: Piece) -> str:
    """The kernel's command line of a machine that is started from a medium.

    Args:
        record: what the build noted (`machine.json`).
        at, size: of the pack on the medium, in bytes.
    """
    name = label(record)
    where = [f"modulux.medium={name}:{at}:{size}", "modulux.state=none"]
    for part, piece in (("system", system), ("store", store)):
        where.append(f"modulux.{part}=MEDIUM={name}:{at + piece.source}:{piece.size}")
    return " ".join([*where, *common_words(record)])


@dataclass(frozen=True)
class Source:
    """What an ISO image is made of.

    Args:
        built: the folder of the machine.
        drivers: names of those with which the machine, installed, finds its disk.
        more: a folder with what the start-up archive has on a medium beside the machine's own.
    """

    built: Path
    drivers: Sequence[str]
    more: Path


def make(source: Source, out: Path, tools: Tools, report: Report) -> int:
    """Write the ISO image `out`; its size in bytes.

    Raises:
        HostError: there is no place for it, or what the firmware starts is too large.
        NotFoundError: an older version built the machine.
        StorageError: a machine runs from what it would replace.
    """
    refuse_used(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    except OSError as error:
        raise HostError(f"{out}: {error.strerror}", hint="another place: --iso FILE.iso") from None
    try:
        work.chmod(0o755)
        with step(report, "iso", f"making the ISO image {out.name}"):
            disk = make_in(source.built, work, tools)
            (work / MEDIUM).mkdir()
            pieces = pack(disk, work / MEDIUM / PACK, _about(noted(source.built), disk, source.drivers))
            partitions = [next(p for p in pieces if p.target == start) for start in starts(disk)]
            disk.unlink()
            _lay(work, source, partitions, tools)
        note_beside(out, source.built)
        (work / "machine.iso").replace(out)
        return out.stat().st_size
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _about(record: Mapping[str, Any], disk: Path, drivers: Sequence[str]) -> list[str]:
    facts = f"machine {record['name']}", f"kernel {record['kernel']}", f"size {disk.stat().st_size}"
    return [*facts, f"drivers {' '.join(drivers)}"]


def _lay(work: Path, source: Source, partitions: Sequence[Piece], tools: Tools) -> None:
    """The medium, with a hole at its end; then, since it can be told now where all lies, what fills the hole."""
    record, more = noted(source.built), f"{MEDIUM}.zst"
    shutil.copytree(source.more, work / "more")
    tools.do("archive", work, "more")
    (work / "more.zst").rename(work / more)
    room = sum((work / name).stat().st_size for name in (KERNEL, START, more)) // MIB * MIB + 3 * MIB
    if room > LARGEST_START:
        raise HostError(f"what starts the machine has {room / 1e6:.0f} MB; a CD starts {LARGEST_START / 1e6:.0f} MB at most")
    number = uuid.uuid5(OURS, _seed(record))
    at, start = map(int, tools.do("iso", work, label(record), str(number), str(room)).split())
    size = (work / MEDIUM / PACK).stat().st_size
    (work / "release").write_text(release(record))
    (work / f"words.{MEDIUM}").write_text(words(record, at, size, *partitions[1:3]))
    tools.do("uki", work, MEDIUM)
    tools.do("iso-start", work, str(start), str(room))
    check(work / "machine.iso", label(record), work / MEDIUM / PACK, at)


def check(iso: Path, name: str, packed: Path, at: int) -> None:
    """Hold the image against what was told of it.

    Raises:
        DamagedError: it is called otherwise, or the pack does not lie there in one piece.
    """
    with iso.open("rb") as whole, packed.open("rb") as part:
        whole.seek(LABEL_AT)
        if whole.read(LABEL_SIZE).decode(errors="replace").rstrip() != name:
            raise DamagedError(f"the ISO image is not called {name}")
        whole.seek(at)
        while content := part.read(MIB):
            if whole.read(len(content)) != content:
                raise DamagedError(f"the ISO image has something else at {part.tell()} of {PACK}")
