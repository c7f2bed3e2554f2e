"""A machine that runs from a disk installs itself on another, by a service that its file names; that one then starts alone."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.machine.test_iso import DISK, Talk
from tests.support.cli import Cli
from tests.support.smallest import smallest
from tests.support.virtual import booted

from modulux.machine.console import connect
from modulux.machine.disk import beside
from modulux.machine.places import disks_folder

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(5400)]

NAME = "t-installer"
IDLE = "modulux.t-idle.idle"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """The machine on a disk image; the other, empty one is `other.img`."""
    made, other = tmp_path / "disk.img", tmp_path / "other.img"
    words = smallest(tmp_path, NAME)
    with Path(words[0]).open("a") as file:
        file.write("services: [installer, serial-installer]\n")
    Cli("podman").run("machine", "build", *words, "-o", str(tmp_path / "built"), "--disk", str(made), timeout=2400)
    with other.open("wb") as file:
        file.truncate(DISK)
    shutil.copytree(beside(made), beside(other))
    shutil.rmtree(disks_folder(NAME), ignore_errors=True)
    yield made
    shutil.rmtree(disks_folder(NAME), ignore_errors=True)


def test_it_is_on_another_disk_without_what_it_keeps(disk: Path) -> None:
    cli, other = Cli("podman"), disk.parent / "other.img"
    with booted(cli, "browser", NAME, "--disk", str(disk), "--more", str(other)) as machine:
        machine.inside(IDLE, "echo dear > ~/letter")
        assert any("at the keyboard: Ctrl-Alt-F3 installer" in line for _, line in machine.running.said())
        with connect(machine.running.machine.console) as line:
            talk = Talk(line)
            talk.answer("vda")
            talk.until("vda: the disk that this was started from")
            talk.until("Which disk.*:")
            talk.answer("vdb")
            talk.until("Type the disk's name again.*:")
            talk.answer("vdb")
            talk.until(f"INSTALLED: vdb holds the machine `{NAME}`", 1200)
        assert machine.inside(IDLE, "cat ~/letter") == "dear"
    with booted(cli, "browser", NAME, "--disk", str(other), "--no-more") as installed:
        assert "slot\ta\trunning\tkept" in installed.ask("slots")
        assert installed.inside(IDLE, "ls ~/letter 2>/dev/null || true") == ""
        assert not any("NOTHING WILL BE KEPT" in line for _, line in installed.running.said())
        assert any("was grown to the disk's end" in line for _, line in installed.running.said())
    told_apart(cli, disk, other)


def told_apart(cli: Cli, disk: Path, other: Path) -> None:
    """Both are in one computer, where their partitions have the same names: each machine has its own, or none."""
    for own, beside_it, letter in ((disk, other, "dear"), (other, disk, "")):
        with booted(cli, "browser", NAME, "--disk", str(own), "--more", str(beside_it)) as machine:
            assert machine.inside(IDLE, "cat ~/letter 2>/dev/null || true") == letter
    subprocess.run(["sfdisk", "--quiet", "--part-label", other, "6", "lost"], check=True)
    with booted(cli, "browser", NAME, "--disk", str(other), "--more", str(disk)) as machine:
        assert any("NOTHING WILL BE KEPT" in line for _, line in machine.running.said())
        assert machine.inside(IDLE, "ls ~/letter 2>/dev/null || true") == ""
