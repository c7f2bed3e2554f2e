"""A machine that keeps its desktops by itself: the very program of `service/keeper`, as in `test_keeper.py`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.keeper import NAME, PASSWORD, Keeper, result, write
from tests.unit.test_machine_compose import CATALOG, desktop

from modulux.machine.compose import plan_machine
from modulux.model.machine import Machine


@pytest.fixture
def regular(there: Keeper) -> Keeper:
    """The same with a schedule in its machine file."""
    use = {"module": "keeper", "to": "/home/user/repository", "schedule": "daily", "keep-last": 1}
    machine = Machine.model_validate({"name": "m", "desktops": [NAME], "services": [use], "login": {"password": "none"}})
    (its,) = [c for c in plan_machine(machine, CATALOG, desktop).containers if c.custody]
    there.container = its
    return there


RECORD = ".local/share/modulux/schedule.json"
LOOKS = "import sys; sys.path.insert(0, '/home/user/.program'); import schedule; schedule.CALM, schedule.LOOK = 0, 0.1; schedule.keep_on()"


@contextmanager
def looking(there: Keeper, log: Path) -> Iterator[None]:
    """What looks at the clock, with less patience; what it says goes to `log`."""
    with log.open("ab") as sink:
        argv = there.inside("/usr/bin/python3", "-c", LOOKS)
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=sink, env=there.environment())
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def noted_times(there: Keeper) -> dict[str, Any]:
    file = there.home / RECORD
    return dict(json.loads(file.read_text())[NAME]) if file.exists() else {}


def note(there: Keeper, **changes: Any) -> None:
    (there.home / RECORD).write_text(json.dumps({NAME: noted_times(there) | changes}))


def test_a_schedule_keeps_the_desktops_and_tells_why_when_it_cannot(regular: Keeper, tmp_path: Path) -> None:
    there, log = regular, tmp_path / "log"
    write(there, "old")

    def says(words: str) -> bool:
        return words in log.read_text()

    with looking(there, log):
        there.here.wait(lambda: noted_times(there), 60)
        assert says("schedule: daily, to /home/user/repository")
        assert noted_times(there)["kept"] is False, "it begins with the next time"
        note(there, since=noted_times(there)["since"] - 2 * 86400)  # as if the machine had been off
        there.here.wait(lambda: noted_times(there)["failures"] == 1, 60)
        assert says(f"{NAME} was NOT KEPT: there is no password in ~/.config/modulux/password")
        (found,) = result(there.run("ps", "--json"))
        assert found["kept"]["kept"] is None
        assert "there is no password" in found["kept"]["why"]
        assert b"kept daily, not yet; on 20" in there.run("ps").stdout

        assert b"Make one?" in there.run("password", given=f"{PASSWORD}\nn\n".encode(), status=12).stderr
        assert not (there.home / ".config").exists()
        there.run("password", "--yes", given=f"{PASSWORD}\n".encode())
        assert b"wrong password" in there.run("password", given=b"wrong\n", status=14).stderr
        kept_at = there.home / ".config/modulux/password"
        assert (kept_at.read_text(), kept_at.stat().st_mode & 0o777) == (f"{PASSWORD}\n", 0o600)
        assert there.run("snapshots", "--json").stdout == b"[]\n", "neither --to nor a password needs to be said any more"
        note(there, tried=0)  # as if it were later
        there.here.wait(lambda: noted_times(there)["kept"], 120)
        assert noted_times(there)["failures"] == 0
        assert says(f"schedule: {NAME} is kept")
        (first,) = result(there.run("snapshots", "--json"))
        write(there, "later")
        note(there, since=noted_times(there)["since"] + 10 * 365 * 86400)  # the clock was wrong then
        there.here.wait(lambda: result(there.run("snapshots", "--json"))[-1]["id"] != first["id"], 120)
        there.here.wait(lambda: len(result(there.run("snapshots", "--json"))) == 1, 120)  # the rule has been followed
    assert b"kept daily, last 20" in there.run("ps").stdout


def test_without_a_schedule_nothing_is_looked_at_and_no_password_kept(there: Keeper, tmp_path: Path) -> None:
    with looking(there, tmp_path / "log"):
        pass
    assert "kept" in result(there.run("ps", "--json"))[0]
    assert b"names no repository" in there.run("password", status=2).stderr
    assert (tmp_path / "log").read_text() == ""
