"""An upgrade of a machine: to one that is kept, back, and to one that does not get ready, from which it goes back by itself."""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path

import pytest
from tests.support.cli import Cli
from tests.support.smallest import BROKEN, smallest
from tests.support.virtual import PATIENCE, Virtual, booted, colours
from tests.support.waiting import wait_for

from modulux.machine.build import SYSTEM
from modulux.paths import shipped

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(5400)]

NAME = "t-upgrade"
FILE = """name: {name}
init: {init}
desktops: [./desk.yaml]
audio: own
network: none
trial: 120
state: 256m
"""
DESK = "name: t-desk\ndisplay: xvfb\nsessions: [openbox]\ngateway: null\nviewer: []\n"
PANEL = (0, 0, 112, 32)
ALL, NONE = "PTSC", "S"
"""What its panel has, and an empty tray alone."""


@pytest.mark.parametrize("init", ["engine", "systemd"])
def test_an_upgrade_is_kept_only_when_the_desktop_gets_ready(init: str, tmp_path: Path) -> None:
    cli = Cli("podman")
    name = NAME if init == "engine" else f"{NAME}-{init}"
    good, bad, disk = tmp_path / "good", tmp_path / "bad", tmp_path / "disk.img"
    cli.run("machine", "build", *smallest(good, name, init=init), "-o", str(good / "built"), "--disk", str(disk), timeout=2400)
    cli.run("machine", "build", *smallest(bad, name, BROKEN, trial=60, init=init), "-o", str(bad / "built"), timeout=2400)
    with booted(cli, "browser", name, "--disk", str(disk)) as machine:
        interrupted(cli, name, bad / "built")
        assert "slot\ta\trunning\tkept" in machine.ask("slots")

        done = cli.run("machine", "upgrade", name, "--built", str(bad / "built"), "--yes", status=8, timeout=2400)
        there = dict(re.findall(r"of the (\w+) ([\d.]+) MB were there from an earlier try", done.stderr))
        assert there["system"] == f"{(bad / 'built' / SYSTEM).stat().st_size / 1e6:.1f}", "what had arrived is not sent again"
        assert "runs from slot a as before" in done.stderr
        assert machine.ask("slots")[:2] == ["slot\ta\trunning\tkept", "slot\tb\t-\tfailed"]
        assert "TRIAL: the desktop is not ready" in machine.serial()

        shutil.rmtree(bad)
        cli.run("machine", "upgrade", name, "--built", str(good / "built"), "--yes", timeout=2400)
        assert machine.ask("slots")[:2] == ["slot\ta\t-\tkept", "slot\tb\trunning\tkept"]
        cli.run("machine", "rollback", name, "--yes", timeout=2400)
        assert machine.ask("slots")[:2] == ["slot\ta\trunning\tkept", "slot\tb\t-\tkept"]


def interrupted(cli: Cli, name: str, built: Path) -> None:
    """An upgrade, ended by Ctrl-C once the system has arrived whole and the store is on its way."""
    sending = cli.start("machine", "upgrade", name, "--built", str(built), "--yes")
    assert sending.stderr is not None
    heard: list[str] = []
    while not (heard and "sending the store" in heard[-1]):
        heard.append(sending.stderr.readline())
        assert heard[-1], f"it ended before: {heard}"
    sending.send_signal(signal.SIGINT)
    _, rest = sending.communicate(timeout=60)
    assert sending.returncode == 130, rest
    assert "sending the boot" not in rest, "it was interrupted before the store had arrived"


def with_panel(folder: Path, name: str, init: str, items: str) -> list[str]:
    """The words that `machine build` takes for a machine with openbox, whose panel has these items."""
    folder.mkdir()
    (folder / "machine.yaml").write_text(FILE.format(name=name, init=init))
    (folder / "desk.yaml").write_text(DESK)
    module = folder / "modules/session/openbox"
    shutil.copytree(shipped("modules") / "session/openbox", module)
    settings = module / "rootfs/usr/share/modulux/openbox/tint2rc"
    assert f"\npanel_items = {ALL}\n" in settings.read_text()
    settings.write_text(settings.read_text().replace(f"panel_items = {ALL}", f"panel_items = {items}"))
    return [str(folder / "machine.yaml"), "--modules", str(folder / "modules"), "--yes", "-o", str(folder / "built")]


def panel(machine: Virtual, path: Path) -> bool:
    return colours(machine.picture(path), PANEL) >= 8


@pytest.mark.parametrize("init", ["engine", "systemd"])
def test_a_desktop_that_is_never_drawn_is_not_kept(init: str, tmp_path: Path) -> None:
    """All its programs run and its panel's window is there, but is empty: only the picture tells it from a good one."""
    cli = Cli("podman")
    name = f"{NAME}-drawn-{init}"
    disk = tmp_path / "disk.img"
    cli.run("machine", "build", *with_panel(tmp_path / "good", name, init, ALL), "--disk", str(disk), timeout=2400)
    cli.run("machine", "build", *with_panel(tmp_path / "bad", name, init, NONE), timeout=2400)
    with booted(cli, "xfce", name, "--disk", str(disk)) as machine:
        assert panel(machine, tmp_path / "before.png")
        upgrade = cli.start("machine", "upgrade", name, "--built", str(tmp_path / "bad/built"), "--yes")
        wait_for(lambda: "TRIAL: the desktop is not ready" in machine.serial(), "the verdict", 2400)
        tried = machine.serial().rpartition("TRIAL: the desktop is not ready")[0]
        _, said = upgrade.communicate(timeout=2400)
        assert upgrade.returncode == 8, said
        assert "runs from slot a as before" in said
        assert machine.ask("slots")[:2] == ["slot\ta\trunning\tkept", "slot\tb\t-\tfailed"]
        if init == "engine":
            assert tried.count("started modulux.t-desk.openbox") >= 2, "its session ran in both slots"
        wait_for(lambda: panel(machine, tmp_path / "after.png"), "the former desktop", PATIENCE)
