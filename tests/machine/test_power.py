"""The power goes at thirty moments of a first boot, of use and of an upgrade, and at more of a disk's first boot, in which its table and its
last partition grow: what was synced is there, and the machine starts."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.cli import Cli
from tests.support.powercut import Logged, count, cut, entries, log_of
from tests.support.smallest import smallest
from tests.support.virtual import PATIENCE
from tests.support.waiting import wait_for

from modulux.machine.control import ask
from modulux.machine.emulator import Machine
from modulux.machine.firmware import variables
from modulux.machine.places import sockets_folder
from modulux.machine.running import Running, pull_plug, start, wait_ready

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(7200)]

FIRST, USE, UPGRADE = 9, 13, 8
"""Moments: thirty together."""

GROWING = 4
"""More of them, in the first boot from a disk; those at which its table of partitions is written come on top."""

MORE = 256 * 1024**2
TABLE = 34 * 512
"""Bytes that a table of partitions takes at a disk's begin, and its copy at the end."""

WRITTEN = 12
NAME, DISK = "t-power", "t-power-disk"
FILE = f"name: {NAME}\ndesktops: [openbox]\nmemory: 512m\nstate: 512m\n"
STATE = 512 * 1024**2
ALL = {"memory": 512 * 1024**2, "processors": 1}
"""One processor: with two, emulated side by side, QEMU 7.2 lets a kernel stumble over its own patching once in some fifty boots."""


@contextlib.contextmanager
def running(name: str, machine: Machine) -> Iterator[Running]:
    """The machine, until its desktop is ready and the context ends; then without its power from one moment to the next."""
    found = start(name, machine)
    try:
        wait_ready(found, PATIENCE, lambda _at, _words: None)
        yield found
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(found.pid, signal.SIGKILL)
        pull_plug(found)
        wait_for(lambda: not found.alive(), "QEMU has ended", 30)


def evenly(first: int, last: int, moments: int) -> list[int]:
    """So many numbers from just after the first to the last."""
    return [first + round((last - first) * (n + 1) / moments) for n in range(moments)]


def test_the_power_goes_at_a_first_boot_and_in_use(tmp_path: Path) -> None:
    cli = Cli("podman")
    (tmp_path / "machine.yaml").write_text(FILE)
    built, state, empty = tmp_path / "built", tmp_path / "state.img", tmp_path / "empty.img"
    cli.run("machine", "build", str(tmp_path / "machine.yaml"), "-o", str(built), "--yes", timeout=2400)
    for path in (state, empty):
        path.touch()
        os.truncate(path, STATE)
    facts: dict[str, Any] = {"built": built, "sockets": sockets_folder(NAME)} | ALL
    log = log_of(state)
    synced: list[int] = []
    with running(NAME, Logged(state=state, **facts)) as machine:
        ready = count(log)
        session = next(n for line in ask(machine.machine.control, "status") if (n := line.split("\t")[0]).endswith(".openbox"))
        for number in range(WRITTEN):
            script = (
                f"echo {number} >~/kept.{number}; sync ~/kept.{number}; echo more >~/perhaps.{number}; mkdir -p ~/d.{number}"
            )
            ask(machine.machine.control, "act", session, "sh", "-c", script, timeout=PATIENCE)
            synced.append(count(log))
            time.sleep(1)
    done = entries(log)
    for moment in [*evenly(0, ready, FIRST), *evenly(ready, len(done), USE)]:
        there = cut(empty, log, done, moment, state)
        with running(NAME, Machine(state=state, **facts)) as machine:
            names = ask(
                machine.machine.control, "act", session, "sh", "-c", "cd; cat kept.* 2>/dev/null | sort -n", timeout=PATIENCE
            )
        wanted = [str(number) for number, at in enumerate(synced) if at <= there]
        assert [name for name in names if name][: len(wanted)] == wanted, f"after {moment} of {len(done)} writes"


def test_the_power_goes_in_an_upgrade(tmp_path: Path) -> None:
    cli = Cli("podman")
    old, new, disk, before = tmp_path / "old", tmp_path / "new", tmp_path / "disk.img", tmp_path / "before.img"
    cli.run("machine", "build", *smallest(old, DISK), "-o", str(old / "built"), "--disk", str(disk), timeout=2400)
    cli.run("machine", "build", *smallest(new, DISK, "true; true"), "-o", str(new / "built"), timeout=2400)
    facts = on_disk(old / "built", disk, tmp_path)
    with running(DISK, Machine(**facts)):
        pass  # its state has been made: what follows is about the upgrade
    shutil.copyfile(disk, before)
    log = log_of(disk)
    with running(DISK, Logged(**facts)):
        began = count(log)
        cli.run("machine", "upgrade", DISK, "--built", str(new / "built"), "--yes", timeout=2400)
    done = entries(log)
    slots = []
    for moment in evenly(began, len(done), UPGRADE):
        cut(before, log, done, moment, disk)
        with running(DISK, Machine(**facts)) as machine:
            slots.append(
                next(line.split("\t")[1] for line in ask(machine.machine.control, "slots") if "running" in line.split("\t"))
            )
    assert slots[0] == "a"
    assert slots[-1] == "b"


def on_disk(built: Path, disk: Path, folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = {"built": built, "sockets": sockets_folder(DISK), "state": None, "disk": disk} | ALL
    return facts | {"variables": variables(folder / "firmware.fd")}


def test_the_power_goes_while_a_disk_grows_at_its_first_boot(tmp_path: Path) -> None:
    cli = Cli("podman")
    disk, before = tmp_path / "disk.img", tmp_path / "before.img"
    cli.run("machine", "build", *smallest(tmp_path, DISK), "-o", str(tmp_path / "built"), "--disk", str(disk), timeout=2400)
    os.truncate(disk, disk.stat().st_size + MORE)
    shutil.copyfile(disk, before)
    facts = on_disk(tmp_path / "built", disk, tmp_path)
    log = log_of(disk)
    with running(DISK, Logged(**facts)) as machine:
        whole = room(machine)
        assert whole > MORE
    done = entries(log)
    written = disk.stat().st_size
    tables = [at + 1 for at, e in enumerate(done) if e.size and (e.start < TABLE or e.start + e.size > written - TABLE)]
    assert tables, "the table is written"
    for moment in sorted({*tables, *evenly(tables[-1], len(done), GROWING)}):
        cut(before, log, done, moment, disk)
        with running(DISK, Machine(**facts)) as machine:
            assert room(machine) > 0.95 * whole, f"after {moment} of {len(done)} writes"


def room(machine: Running) -> int:
    """Bytes of the file system that homes lie on."""
    words = ("act", "modulux.t-idle.idle", "sh", "-c", "df --block-size=1 --output=size ~ | tail -n 1")
    return int(ask(machine.machine.control, *words, timeout=PATIENCE)[0])
