"""What a machine keeps, from a partition of the disk with its two slots to a disk of its own and back, under systemd as PID 1."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.cli import Cli
from tests.support.smallest import smallest
from tests.support.virtual import Virtual, booted
from tests.support.waiting import wait_for

from modulux.machine.places import disks_folder

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(7200)]

NAME = "t-storage-slots"
IDLE = "modulux.t-idle.idle"
BIGGER = 1024**3


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """The machine on a disk image; the other, empty one is `bigger.img`."""
    made = tmp_path / "disk.img"
    words = smallest(tmp_path, NAME, init="systemd")
    Cli("podman").run("machine", "build", *words, "-o", str(tmp_path / "built"), "--disk", str(made), timeout=2400)
    with (tmp_path / "bigger.img").open("wb") as file:
        file.truncate(BIGGER)
    shutil.rmtree(disks_folder(NAME), ignore_errors=True)
    yield made
    shutil.rmtree(disks_folder(NAME), ignore_errors=True)


def device(machine: Virtual) -> str:
    return str(machine.storage()["state"]["device"])


def test_the_state_goes_from_its_partition_to_a_disk_and_back(disk: Path) -> None:
    cli = Cli("podman")
    with booted(cli, "browser", NAME, "--disk", str(disk), "--more", str(disk.parent / "bigger.img")) as machine:
        machine.inside(IDLE, "echo dear > ~/letter")
        partition = device(machine)
        assert partition.startswith("/dev/vda")
        assert partition != "/dev/vda"
        refused = cli.run("machine", "storage", NAME, "--to", "vda", "--yes", status=None)
        assert "has the state already" in refused.stderr
        machine.storage("--to", "bigger", "--yes")
    with booted(cli, "browser", NAME, "--disk", str(disk)) as machine:  # the further disk is remembered
        assert device(machine) == "/dev/vdb"
        wait_for(lambda: machine.storage()["state"]["size"] == BIGGER, "the state has grown")
        assert machine.inside(IDLE, "cat ~/letter") == "dear"
        assert "slot\ta\trunning\tkept" in machine.ask("slots")
        machine.inside(IDLE, "echo later > ~/later")
        assert machine.storage("--back", "--yes")["back"] is True
        assert machine.storage()["back"] is True
    with booted(cli, "browser", NAME, "--disk", str(disk)) as machine:
        assert device(machine) == partition
        assert machine.inside(IDLE, "cat ~/letter; ls ~/later 2>/dev/null || true") == "dear"
        assert machine.storage()["old"] is None
