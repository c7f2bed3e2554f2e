"""A file that a virtual machine runs from is not written to: QEMU itself, stopped before it starts its guest, has the file."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.cli import Cli
from tests.unit.test_machine_install import image

from modulux.errors import EngineError, NotFoundError, StorageError
from modulux.machine import disk as machine_disk
from modulux.machine import in_use, iso, places
from modulux.machine.emulator import PROGRAM
from modulux.machine.in_use import refuse_used
from modulux.machine.install import MIB, look_at, write
from modulux.machine.qmp import Monitor
from modulux.report import silent

qemu = pytest.mark.skipif(not shutil.which(PROGRAM), reason="no QEMU")


@contextlib.contextmanager
def holder(file: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """QEMU with the file as its disk, and a guest that does not run."""
    monitor = file.parent / f"{file.name}.qmp"
    words = [PROGRAM, "-S", "-nodefaults", "-machine", "q35,accel=tcg", "-display", "none", "-m", "64M"]
    words += ["-drive", ",".join([f"file={file},format=raw,if=none,id=d", *options]), "-device", "virtio-blk-pci,drive=d"]
    process = subprocess.Popen([*words, "-qmp", f"unix:{monitor},server=on,wait=off"], stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60
        while not monitor.exists():
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with contextlib.suppress(EngineError, NotFoundError), Monitor(monitor, 60):  # it answers once it has all its disks
            pass
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()
        monitor.unlink(missing_ok=True)


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A disk of 8 MiB of ones."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = tmp_path / "office.img"
    path.write_bytes(b"\xff" * 8 * MIB)
    return path


def note(name: str, pid: int, monitor: Path) -> None:
    """As `machine run` notes a machine that runs."""
    sockets = places.sockets_folder(name)
    sockets.mkdir(parents=True)
    more: dict[str, Any] = {"ports": {}, "screen": None, "password": None, "memory": 2**26, "accelerator": "tcg"}
    (sockets / "running.json").write_text(json.dumps({"name": name, "pid": pid, "built": "/", "state": None, **more}))
    (sockets / "qmp.sock").symlink_to(monitor)


@qemu
def test_the_disk_of_a_machine_that_runs_is_refused_with_its_name(office: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = image(office.with_name("made.img"), 4 * MIB, {2 * MIB: b"system"})
    target = look_at(office)
    with holder(office) as process:
        with pytest.raises(StorageError, match=rf"office\.img is in use by {PROGRAM[:15]} \(process {process.pid}\)") as raised:
            look_at(office)
        assert raised.value.hint
        with pytest.raises(StorageError, match="in use"):
            write(made, target)
        note("office", process.pid, office)
        monkeypatch.setattr("modulux.machine.running._alive", lambda pid, _: pid == process.pid)
        with pytest.raises(StorageError, match="in use by the machine `office`, which runs"):
            look_at(office)
    assert office.read_bytes() == b"\xff" * 8 * MIB
    write(made, look_at(office))
    assert office.read_bytes()[2 * MIB :].startswith(b"system")


@qemu
def test_machine_install_yes_leaves_it_alone(office: Path) -> None:
    made = image(office.with_name("made.img"), 4 * MIB, {2 * MIB: b"system"})
    words = ["machine", "install", str(office), "--image", str(made), "--yes"]
    with holder(office):
        assert "is in use by" in Cli("podman").run(*words, status=17).stderr
    assert office.read_bytes() == b"\xff" * 8 * MIB
    Cli("podman").run(*words)
    assert office.read_bytes()[2 * MIB :].startswith(b"system")


@qemu
@pytest.mark.parametrize("options", [(), ("readonly=on",), ("snapshot=on",)])
def test_what_a_machine_runs_from_is_not_replaced(office: Path, options: tuple[str, ...]) -> None:
    nothing: Any = None
    with holder(office, *options):
        with pytest.raises(StorageError, match="in use"):
            machine_disk.make(office.parent, office, nothing, silent)
        with pytest.raises(StorageError, match="in use"):
            iso.make(nothing, office, nothing, silent)
        words = ["machine", "build", "openbox", "-o", str(office.parent / "out"), "--disk", str(office)]
        assert "is in use by" in Cli("podman").run(*words, status=17).stderr
    assert sorted(path.name for path in office.parent.iterdir()) == ["office.img"]


@qemu
def test_qemu_does_not_take_a_file_that_is_written_to(office: Path) -> None:
    with office.open("r+b") as file:
        in_use.hold(office, file.fileno())
        with pytest.raises(AssertionError, match="lock"), holder(office):
            pass
    with holder(office):
        pass


def test_who_only_looks_at_a_file_does_not_keep_it(office: Path) -> None:
    refuse_used(office.with_name("none"))
    refuse_used(office.parent)
    os.mkfifo(office.with_name("pipe"))
    refuse_used(office.with_name("pipe"))
    with office.open("rb") as looking:
        other = subprocess.Popen(["sleep", "60"], stdin=looking)
        try:
            refuse_used(office)
        finally:
            other.kill()
            other.wait()


def test_the_file_of_a_loop_device_is_refused(office: Path) -> None:
    if not shutil.which("losetup"):
        pytest.skip("no losetup")
    attached = subprocess.run(["losetup", "--find", "--show", str(office)], check=False, capture_output=True, text=True)
    if attached.returncode:
        pytest.skip("no loop devices")
    node = attached.stdout.strip()
    try:
        with pytest.raises(StorageError, match=f"it is the disk {node}"):
            refuse_used(office)
    finally:
        subprocess.run(["losetup", "--detach", node], check=True)
    refuse_used(office)
