"""A machine on a CD or a memory stick: started from there it installs itself on an empty disk, which then starts alone. At the serial line a
person is asked who has none of its screen, at the screen one who has no serial line."""

from __future__ import annotations

import filecmp
import re
import socket
import time
from pathlib import Path

import pytest
from tests.support.cli import Cli
from tests.support.smallest import smallest
from tests.support.virtual import PATIENCE, Virtual, booted, colours
from tests.support.waiting import wait_for

from modulux.machine.console import connect
from modulux.machine.qmp import Monitor

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(3000)]

NAME = "t-iso"
DISK = 2 * 1024**3


def built(folder: Path, init: str = "engine") -> Path:
    words = smallest(folder, NAME, kernel="debian", sticks="read-write", init=init)  # of the two, the one that has USB
    iso = folder / "machine.iso"
    Cli("podman").run("machine", "build", *words, "-o", str(folder / "built"), "--iso", str(iso), timeout=2400)
    return iso


@pytest.fixture(scope="module")
def iso(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("iso") / "one")


class Talk:
    """With the installer, by the serial line."""

    def __init__(self, line: socket.socket) -> None:
        self.line, self.heard = line, ""
        line.settimeout(1)

    def until(self, pattern: str, seconds: float = PATIENCE) -> str:
        """What is said up to there; what PID 1 says between is not the installer's."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.heard)):
            assert time.monotonic() < end, f"not within {seconds:.0f} s: {pattern}\n{self.heard[-2000:]}"
            try:
                self.heard += self.line.recv(65536).decode(errors="replace")
            except TimeoutError:
                continue
        said, self.heard = self.heard[: found.end()], self.heard[found.end() :]
        return said

    def answer(self, text: str) -> None:
        self.line.sendall(f"{text}\n".encode())


def state_of(machine: Virtual, container: str) -> str:
    """What PID 1 says of it; of the installer at the keyboard or that of the serial line."""
    rows = [line.split("\t") for line in machine.ask("status")]
    return next(row[1] for row in rows if row[0] == f"modulux.{NAME}.{container}")


def install_by_keys(machine: Virtual, folder: Path) -> None:
    """At the screen, while somebody at the serial line has chosen the same disk, and confirms it later."""
    assert any("at the keyboard: Ctrl-Alt-F3 installer" in line for _, line in machine.running.said())
    with connect(machine.running.machine.console) as line:
        talk = Talk(line)
        talk.answer("vda")
        talk.until("Type the disk's name again.*:")
        with Monitor(machine.running.machine.monitor) as qemu:
            qemu.press("ctrl", "alt", "f3")
        wait_for(lambda: f"modulux.{NAME}.installer\t3\ttext\tseen" in machine.ask("terminals"), "the installer is seen")
        assert colours(machine.picture(folder / "asked.png"), (0, 0, 600, 100)) > 1, "something is written there"
        machine.type("vda\n")
        machine.type("vda\n")
        wait_for(lambda: state_of(machine, "installer") == "ended", "it is installed", PATIENCE)
        talk.answer("vda")
        talk.until(r"vda holds is no longer what was shown[\s\S]*vda was NOT installed")


def install(machine: Virtual, medium: str) -> None:
    with connect(machine.running.machine.console) as line:
        talk = Talk(line)
        talk.answer("")
        listed = talk.until(r"vda [\s\S]*Which disk.*:")  # after a question, perhaps, that was asked before
        assert re.search(r"vda +2\.1 GB.*holds: nothing known", listed), listed
        assert re.search(rf"{medium} .*\n(    {medium}.*\n)*.*NOT this one: the medium", listed), listed
        talk.answer(medium)
        talk.until(f"{medium}: the medium that this was started from")
        talk.until("Which disk.*:")
        talk.answer("vdx")
        talk.until("There is no disk vdx")
        talk.until("Which disk.*:")
        talk.answer("vda")
        talk.until("ALL THIS IS ERASED")
        talk.until("Type the disk's name again.*:")
        talk.answer("yes")
        talk.until("Nothing was written")
        talk.until("Which disk.*:")
        talk.answer("vda")
        talk.until("Type the disk's name again.*:")
        talk.answer("vda")
        talk.until("written: 100 %")
        talk.until("read again: 100 %")
        talk.until("INSTALLED: vda holds the machine `t-iso`")


def test_two_builds_are_the_same_bytes(iso: Path, tmp_path: Path) -> None:
    assert filecmp.cmp(iso, built(tmp_path / "again"), shallow=False)


@pytest.mark.parametrize(("medium", "words"), [("sr0", ()), ("sda", ("--stick",))], ids=["cd", "stick"])
def test_it_installs_itself_on_a_disk_that_then_starts_alone(
    iso: Path, tmp_path: Path, medium: str, words: tuple[str, ...]
) -> None:
    installs_itself(iso, tmp_path, medium, words)


def test_so_it_does_by_the_keyboard_of_a_computer_and_one_that_was_told_the_same_at_the_line_leaves_it_alone(
    iso: Path, tmp_path: Path
) -> None:
    installs_itself(iso, tmp_path, "sr0", (), by_keys=True)


def test_so_it_does_under_systemd(tmp_path: Path) -> None:
    installs_itself(built(tmp_path / "built", "systemd"), tmp_path, "sda", ("--stick",), by_keys=True)


def installs_itself(iso: Path, tmp_path: Path, medium: str, words: tuple[str, ...], *, by_keys: bool = False) -> None:
    disk = tmp_path / "disk.img"
    with disk.open("wb") as file:
        file.truncate(DISK)
    cli = Cli("podman")
    with booted(cli, "browser", NAME, "--iso", str(iso), "--disk", str(disk), *words) as live:
        said = [line for _, line in live.running.said()]
        assert any("NOTHING WILL BE KEPT" in line for line in said), said
        for container in (f"modulux.{NAME}.installer", f"modulux.{NAME}.serial-installer"):
            assert "CapEff:\t0000000000000000" in live.inside(container, "cat /proc/self/status")
        looks = next(line.split("\t")[0] for line in live.ask("status") if line.partition("\t")[0].endswith(".media"))
        assert live.inside(looks, "ls /dev/sticks") == "", "what the machine runs from is no stick"
        if by_keys:
            install_by_keys(live, tmp_path)
        else:
            install(live, medium)
    with booted(cli, "browser", NAME, "--disk", str(disk)) as installed:
        assert "slot\ta\trunning\tkept" in installed.ask("slots")
        assert not any("installer" in line for line in installed.ask("status"))
        assert not any("NOTHING WILL BE KEPT" in line for _, line in installed.running.said())
