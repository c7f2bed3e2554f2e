"""A machine on a disk: built twice it is the same bytes, the firmware starts it, what keeps grows, what was changed is found."""

from __future__ import annotations

import filecmp
import os
from pathlib import Path

import pytest
from tests.support.cli import Cli
from tests.support.smallest import smallest
from tests.support.virtual import PATIENCE, Virtual, booted

from modulux.machine.install import starts
from modulux.machine.places import sockets_folder

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(3000)]

NAME = "t-disk"
SESSION = "modulux.t-idle.idle"
SHIPPED, MORE = 64 * 1024**2, 512 * 1024**2
"""Bytes of the state as it is built, and by which its disk is made larger."""


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("disk")
    words = smallest(folder, NAME)
    Cli("podman").run("machine", "build", *words, "-o", str(folder / "built"), "--disk", str(folder / "disk.img"), timeout=2400)
    return folder / "disk.img"


def test_two_builds_are_the_same_bytes(disk: Path, tmp_path: Path) -> None:
    words = smallest(tmp_path / "again", NAME)
    Cli("podman").run(
        "machine", "build", *words, "-o", str(tmp_path / "built"), "--disk", str(tmp_path / "disk.img"), timeout=2400
    )
    assert filecmp.cmp(disk, tmp_path / "disk.img", shallow=False)


def grow(disk: Path) -> None:
    os.truncate(disk, disk.stat().st_size + MORE)


def room(machine: Virtual) -> int:
    """Bytes of the file system that homes lie on."""
    return int(machine.inside(SESSION, "df --block-size=1 --output=size ~ | tail -n 1"))


def test_the_firmware_starts_it_and_the_last_partition_grows_with_its_file_system(disk: Path) -> None:
    cli = Cli("podman")
    grow(disk)
    with booted(cli, "browser", NAME, "--disk", str(disk)) as machine:
        said = [words for _, words in machine.running.said()]
        assert any("was grown to the disk's end" in words for words in said), said
        mounts = machine.ask("slots")
        assert "slot\ta\trunning\tkept" in mounts
        first = room(machine)
        assert first > 0.9 * (SHIPPED + MORE), "it was made in the grown partition"
        machine.inside(SESSION, "echo kept > ~/letter; sync ~/letter")
    grow(disk)
    with booted(cli, "browser", NAME, "--disk", str(disk)) as machine:
        assert room(machine) > first + 0.9 * MORE, "one that is there grows too"
        assert machine.inside(SESSION, "cat ~/letter") == "kept"


def test_a_changed_byte_is_said_and_never_read(disk: Path) -> None:
    """There is no other slot: the machine says so. What cannot be trusted is not there, in place of being wrong."""
    store = starts(disk)[2]
    with disk.open("r+b") as file:
        for offset in range(store + 65536, store + 40 * 1024**2, 65536):  # something that a start reads
            file.seek(offset)
            byte = file.read(1)
            file.seek(offset)
            file.write(bytes([byte[0] ^ 1]))
    cli = Cli("podman")
    cli.run(
        "machine",
        "run",
        "browser",
        "--disk",
        str(disk),
        "--name",
        NAME,
        "--background",
        "--timeout",
        "90",
        status=8,
        timeout=PATIENCE,
    )
    text = sockets_folder(NAME).joinpath("serial.log").read_text(errors="replace")
    assert "DAMAGED: the store is not what was built" in text
    assert "there is no other slot" in text
