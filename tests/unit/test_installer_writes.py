"""What the installer's `write-disk` makes of a medium, an index and a disk; all three are files here."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.parted import assert_renumbered, slots_table

from modulux.machine.iso import Piece, index
from modulux.paths import shipped

MIB = 1024**2
PROGRAMS = shipped("modules") / "service/installer/rootfs/usr/lib/modulux"
SCRIPT = PROGRAMS / "write-disk"
DISK = 24 * MIB
AT = 2048
REST = b"r" * (2 * MIB)

pytestmark = pytest.mark.skipif(not shutil.which("sfdisk"), reason="needs sfdisk")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return slots_table(tmp_path_factory.mktemp("table"))


@pytest.fixture
def folder(table: bytes) -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(dir="/var/tmp"))
    (made / "medium").write_bytes(bytes(AT) + bytes(MIB) + table + REST)
    (made / "disk").write_bytes(b"old" * (DISK // 3))
    yield made
    shutil.rmtree(made)


def written(
    folder: Path, table: bytes, digest: str | None = None, *, shown: bytes | None = None
) -> subprocess.CompletedProcess[str]:
    pieces = [
        Piece(MIB, 0, MIB, hashlib.sha256(table).hexdigest()),
        Piece(2 * MIB, 8 * MIB, 2 * MIB, digest or hashlib.sha256(REST).hexdigest()),
    ]
    (folder / "index").write_text(index(pieces, ["machine office", "size 1"]))
    was = hashlib.sha256((folder / "disk").read_bytes()[:MIB] if shown is None else shown).hexdigest()
    words = [str(folder / "medium"), str(AT), str(folder / "index"), str(folder / "disk"), str(DISK), was]
    return subprocess.run(["sh", str(SCRIPT), *words], capture_output=True, text=True, check=False)


def test_each_piece_lies_where_it_belongs_and_no_older_table_is_left(folder: Path, table: bytes) -> None:
    done = written(folder, table)
    assert done.returncode == 0, done.stderr
    disk = (folder / "disk").read_bytes()
    assert_renumbered(folder / "disk", table, folder)
    assert disk[8 * MIB : 10 * MIB] == REST
    assert not any(disk[-MIB : -33 * 512])
    assert disk[MIB : 8 * MIB] == (b"old" * DISK)[MIB : 8 * MIB]
    assert done.stdout.splitlines()[-1].strip() == "read again: 100 %"


def test_a_disk_that_holds_something_else_afterwards_cannot_be_started(folder: Path, table: bytes) -> None:
    done = written(folder, table, "0" * 64)
    assert done.returncode == 1
    assert "is failing" in done.stdout
    assert (folder / "disk").read_bytes()[:MIB] == bytes(MIB)


def test_a_disk_that_cannot_be_given_numbers_of_its_own_cannot_be_started(folder: Path) -> None:
    no_table = b"t" * MIB
    (folder / "medium").write_bytes(bytes(AT) + bytes(MIB) + no_table + REST)
    done = written(folder, no_table)
    assert done.returncode == 1
    assert "cannot be written anew:\nsfdisk: " in done.stdout
    assert (folder / "disk").read_bytes()[:MIB] == bytes(MIB)


def test_a_disk_that_somebody_else_has_written_to_since_it_was_shown_stays_as_it_is(folder: Path, table: bytes) -> None:
    before = (folder / "disk").read_bytes()
    done = written(folder, table, shown=bytes(MIB))
    assert done.returncode == 1
    assert "no longer what was shown" in done.stdout
    assert (folder / "disk").read_bytes() == before


@pytest.mark.parametrize("line", ["/dev/full", "/dev/tty/none"])
def test_a_line_at_which_nobody_can_be_asked_is_left_alone_and_not_tried_again(line: str) -> None:
    done = subprocess.run(["sh", str(PROGRAMS / "installer"), line], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"nobody can be asked at {line}\n"
