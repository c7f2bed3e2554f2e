"""`modulux machine install` as a person meets it: it shows what is on the disk, asks, and stops at a no or at a disk in use."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.cli import Cli
from tests.unit.test_machine_install import image

from modulux.machine.install import MIB

OLD = b"\xff" * 4096
QUESTION = "ALL THIS IS ERASED on {}. Go on? [y/N] "


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return image(tmp_path / "made.img", 8 * MIB, {2 * MIB: b"system"})


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "target.img"
    path.write_bytes(OLD * (16 * MIB // len(OLD)))
    return path


@pytest.fixture
def device(target: Path) -> Iterator[Path]:
    """A block device with an ext4 of the label `family`."""
    if os.geteuid() or not all(shutil.which(p) for p in ("losetup", "mke2fs", "lsblk")):
        pytest.skip("needs root, losetup, lsblk and e2fsprogs")
    attached = subprocess.run(["losetup", "--find", "--show", str(target)], check=False, capture_output=True, text=True)
    if attached.returncode:
        pytest.skip("no loop devices")
    node = attached.stdout.strip()
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-L", "family", node], check=True)
    yield Path(node)
    subprocess.run(["losetup", "--detach", node], check=True)


def answered(answer: str, *words: str) -> subprocess.CompletedProcess[str]:
    """`modulux machine install` of these words at a terminal, at which the answer is typed."""
    cli, (terminal, theirs) = Cli("podman"), pty.openpty()
    try:
        os.write(terminal, answer.encode())
        argv = cli.argv("machine", "install", *words)
        return subprocess.run(
            argv, env=cli.environment(), stdin=theirs, capture_output=True, text=True, timeout=120, check=False
        )
    finally:
        os.close(terminal)
        os.close(theirs)


@pytest.mark.parametrize("answer", ["n\n", "\n", "maybe\n", "\x04"])
def test_anything_but_yes_leaves_the_disk_as_it_was(made: Path, target: Path, answer: str) -> None:
    done = answered(answer, str(target), "--image", str(made))
    assert done.returncode == 12
    assert QUESTION.format(target) in done.stderr
    assert str(target) in done.stderr.partition("ALL THIS")[0], "what is there is shown before it asks"
    assert target.read_bytes() == OLD * (16 * MIB // len(OLD))
    assert made.is_file(), "an image that was given is nobody's to remove"


def test_a_yes_writes_it(made: Path, target: Path) -> None:
    done = answered("y\n", str(target), "--image", str(made))
    assert done.returncode == 0, done.stderr
    assert "holds the machine" in done.stdout
    assert target.read_bytes()[2 * MIB :].startswith(b"system")


def test_with_nobody_to_ask_nothing_is_done(made: Path, target: Path) -> None:
    refused = Cli("podman").run("machine", "install", str(target), "--image", str(made), status=12)
    assert "--yes" in refused.stderr
    assert target.read_bytes() == OLD * (16 * MIB // len(OLD))


def test_what_does_not_fit_is_refused_before_anything_is_asked(made: Path, target: Path) -> None:
    os.truncate(target, 4 * MIB)
    done = answered("y\n", str(target), "--image", str(made))
    assert done.returncode == 17
    assert "are needed" in done.stderr
    assert "Go on?" not in done.stderr
    assert target.read_bytes() == OLD * (4 * MIB // len(OLD))


def test_what_a_disk_holds_is_shown(made: Path, device: Path) -> None:
    done = answered("n\n", str(device), "--image", str(made))
    assert done.returncode == 12, done.stderr
    shown = done.stderr.partition("ALL THIS")[0]
    known = subprocess.run(["lsblk", "-no", "FSTYPE,LABEL", str(device)], check=True, capture_output=True, text=True)
    for word in (str(device), "loop", *known.stdout.split()):  # without udev lsblk knows of no file system
        assert word in shown
    assert b"family" in device.read_bytes()[:4096]


def test_a_disk_that_is_mounted_is_refused(made: Path, device: Path, tmp_path: Path) -> None:
    place = tmp_path / "mounted"
    place.mkdir()
    if subprocess.run(["mount", str(device), str(place)], check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        (place / "letter").write_text("dear")
        done = Cli("podman").run("machine", "install", str(device), "--image", str(made), "--yes", status=17)
        assert f"{device} is in use" in done.stderr
        assert (place / "letter").read_text() == "dear"
    finally:
        subprocess.run(["umount", str(place)], check=True)
    Cli("podman").run("machine", "install", str(device), "--image", str(made), "--yes")
    assert device.read_bytes()[2 * MIB :].startswith(b"system")


def test_a_disk_that_somebody_has_for_himself_is_refused(made: Path, device: Path) -> None:
    file = os.open(device, os.O_RDONLY | os.O_EXCL)
    try:
        done = Cli("podman").run("machine", "install", str(device), "--image", str(made), "--yes", status=17)
        assert f"{device} is in use" in done.stderr
    finally:
        os.close(file)
    assert b"family" in device.read_bytes()[:4096]
