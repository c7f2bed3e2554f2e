"""What was said on a machine is there after a restart, and after its power went; followed, it comes as it is said."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from tests.support.cli import Cli
from tests.support.odd import hears, odd
from tests.support.smallest import smallest
from tests.support.virtual import Virtual
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(3600)]

NAME = "t-log"
KEEPER, IDLE = f"modulux.{NAME}.log", "modulux.t-idle.idle"
STATE = 64 * 1024**2


def kept(machine: Virtual, *words: str, status: int = 0) -> list[dict[str, str]]:
    done = machine.cli.run("machine", "log", NAME, *words, "--json", status=status, timeout=600)
    return list(json.loads(done.stdout)) if not status else []


def lines(found: list[dict[str, str]], source: str) -> list[str]:
    return [one["line"] for one in found if one["source"] == source]


def test_it_is_kept_over_restarts(tmp_path: Path) -> None:
    if not shutil.which("qemu-system-x86_64"):
        pytest.fail("qemu-system-x86 is needed: scripts/test installs it")
    built, state = tmp_path / "built", tmp_path / "state.img"
    words = smallest(tmp_path, NAME)
    machine_file = tmp_path / "machine.yaml"
    machine_file.write_text(machine_file.read_text() + "log: {size: 4m, days: 7}\n")
    Cli("podman").run("machine", "build", *words, "-o", str(built), timeout=2400)
    state.touch()
    os.truncate(state, STATE)
    with odd(NAME, built, state=state) as machine:
        hears(machine, "desktop ready")
        wait_for(
            lambda: any("desktop ready" in line for line in lines(kept(machine, "--boot", "0"), "machine")), "PID 1's words"
        )
        found = kept(machine, "--boot", "0")
        assert any("PID 1" in line for line in lines(found, "machine")), "from the very start"
        assert any("Linux version" in line for line in lines(found, "kernel"))
        kept(machine, "--boot", "-1", status=9)
        assert machine.inside(KEEPER, "/usr/lib/modulux/floor || true") == ""
        follower = machine.cli.start("machine", "log", NAME, "--follow", "--json")
        machine.inside(IDLE, "echo something new >/proc/1/fd/1")
        assert follower.stdout is not None
        seen = (json.loads(line) for line in follower.stdout)
        assert next(one for one in seen if one["source"] == IDLE)["line"] == "something new"
        follower.send_signal(2)
        follower.communicate(timeout=60)
    with odd(NAME, built, cut=True, state=state) as machine:
        hears(machine, "desktop ready")
        before = kept(machine, "--boot", "-1")
        assert lines(before, IDLE) == ["something new"]
        assert any(line.endswith(f"stopped {IDLE}") for line in lines(before, "machine")), "to the very end"
        assert all("something new" not in one["line"] for one in kept(machine, "--boot", "0"))
        assert "something new" in lines(kept(machine, IDLE, "--since", "3h"), IDLE)
        machine.inside(IDLE, "echo the last words >/proc/1/fd/1")
        wait_for(lambda: "the last words" in lines(kept(machine, "--boot", "0"), IDLE), "the last words")
        machine.inside(KEEPER, "sync /var/log/machine/*")
    with odd(NAME, built, state=state) as machine:
        hears(machine, "desktop ready")
        assert lines(kept(machine, "--boot", "-1"), IDLE) == ["the last words"]
