"""An upgrade of a machine: to one that is kept, back, and to one that does not get ready, from which it goes back by itself."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from tests.support.cli import Cli
from tests.support.smallest import BROKEN, smallest
from tests.support.virtual import booted

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(5400)]

NAME = "t-upgrade"


@pytest.mark.parametrize("init", ["engine", "systemd"])
def test_an_upgrade_is_kept_only_when_the_desktop_gets_ready(init: str, tmp_path: Path) -> None:
    cli = Cli("podman")
    name = NAME if init == "engine" else f"{NAME}-{init}"
    good, bad, disk = tmp_path / "good", tmp_path / "bad", tmp_path / "disk.img"
    cli.run("machine", "build", *smallest(good, name, init=init), "-o", str(good / "built"), "--disk", str(disk), timeout=2400)
    cli.run("machine", "build", *smallest(bad, name, BROKEN, trial=60, init=init), "-o", str(bad / "built"), timeout=2400)
    with booted(cli, "browser", name, "--disk", str(disk)) as machine:
        sending = cli.start("machine", "upgrade", name, "--built", str(bad / "built"), "--yes")
        time.sleep(20)
        sending.send_signal(2)
        sending.communicate(timeout=60)
        assert sending.returncode in (130, 8)
        assert "slot\ta\trunning\tkept" in machine.ask("slots")

        done = cli.run("machine", "upgrade", name, "--built", str(bad / "built"), "--yes", status=8, timeout=2400)
        assert "runs from slot a as before" in done.stderr
        assert machine.ask("slots")[:2] == ["slot\ta\trunning\tkept", "slot\tb\t-\tfailed"]
        assert "TRIAL: the desktop is not ready" in machine.serial()

        shutil.rmtree(bad)
        cli.run("machine", "upgrade", name, "--built", str(good / "built"), "--yes", timeout=2400)
        assert machine.ask("slots")[:2] == ["slot\ta\t-\tkept", "slot\tb\trunning\tkept"]
        cli.run("machine", "rollback", name, "--yes", timeout=2400)
        assert machine.ask("slots")[:2] == ["slot\ta\trunning\tkept", "slot\tb\t-\tkept"]
