"""What a machine keeps, taken to a bigger disk: with a power cut in its midst, and the old disk taken away in the end."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.cli import Cli
from tests.support.virtual import PATIENCE, booted, colours
from tests.support.waiting import wait_for

from modulux.machine.places import disks_folder, sockets_folder
from modulux.machine.running import named, pull_plug

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(7200)]

NAME = "t-storage"
FILE = f"name: {NAME}\ndesktops: [./desk.yaml]\nstate: 256m\n"
DESK = "name: t-desk\ndisplay: xvfb\nsessions: [openbox]\napps: [terminal]\n"
SESSION = "modulux.t-desk.openbox"
BIGGER = 1024**3


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "machine.yaml").write_text(FILE)
    (tmp_path / "desk.yaml").write_text(DESK)
    with (tmp_path / "bigger.img").open("wb") as file:
        file.truncate(BIGGER)
    shutil.rmtree(disks_folder(NAME), ignore_errors=True)
    yield tmp_path
    shutil.rmtree(disks_folder(NAME), ignore_errors=True)


def cut_in_the_midst(cli: Cli, folder: Path) -> None:
    """Start it, and pull its plug as soon as it says that the state is being moved."""
    serial = sockets_folder(NAME) / "serial.log"
    serial.unlink(missing_ok=True)
    words = [
        "machine",
        "run",
        str(folder / "machine.yaml"),
        "--name",
        NAME,
        "--more",
        str(folder / "bigger.img"),
        "--background",
    ]
    with subprocess.Popen(cli.argv(*words, "--yes"), env=cli.environment(), stderr=subprocess.DEVNULL) as starter:
        wait_for(lambda: serial.exists() and b"it is moved from" in serial.read_bytes(), "the move", PATIENCE)
        assert starter.poll() is None
        pull_plug(named(NAME))
        assert starter.wait(PATIENCE) != 0
    assert b"it lies on" not in serial.read_bytes()


def test_all_that_it_keeps_is_on_the_bigger_disk(folder: Path) -> None:
    cli = Cli("podman")
    more = ("--more", str(folder / "bigger.img"))
    with booted(cli, folder / "machine.yaml", NAME, *more) as machine:
        machine.inside(SESSION, "echo dear > ~/letter && ln ~/letter ~/again")
        before = machine.storage()
        assert before["state"]["device"] == "/dev/vdc"
        asked = machine.storage("--to", "bigger", "--yes")
        assert asked["wanted"]["device"] == "/dev/vdd"
    cut_in_the_midst(cli, folder)
    with booted(cli, folder / "machine.yaml", NAME, *more) as machine:
        said = machine.serial()
        assert "it is begun again" in said
        assert "it lies on /dev/vdd now" in said
        after = machine.storage()
        wait_for(lambda: machine.storage()["state"]["size"] == BIGGER, "the state has grown")
        assert after["state"]["device"] == "/dev/vdd"
        assert machine.inside(SESSION, "cat ~/letter; stat -c %h ~/letter").split() == ["dear", "2"]
        assert colours(machine.picture(folder / "screen.png"), (0, 0, 1280, 800)) > 50
    (folder / "bigger.img").rename(disks_folder(NAME) / "state.img")  # the old one is gone, the new one in its place
    with booted(cli, folder / "machine.yaml", NAME) as machine:
        assert machine.inside(SESSION, "cat ~/letter") == "dear"
        assert machine.storage()["state"]["device"] == "/dev/vdc"
        assert machine.storage()["old"] is None
