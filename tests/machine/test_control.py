"""Many short talks with PID 1, each at once after the other, on a machine that is busy: each has its answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.cli import Cli
from tests.support.odd import hears, odd
from tests.support.smallest import smallest

from modulux.machine.control import ask

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(3600)]

NAME = "t-control"
IDLE = "modulux.t-idle.idle"
TALKS = 200
BUSY = "for one in 1 2 3; do timeout 600 sh -c 'while :; do :; done' >/dev/null 2>&1 & done"


def test_no_answer_is_lost_between_two_talks(tmp_path: Path) -> None:
    """News that the last one has left came after the next had been greeted, and his command was lost: one in a hundred."""
    built = tmp_path / "built"
    Cli("podman").run("machine", "build", *smallest(tmp_path, NAME), "-o", str(built), timeout=2400)
    with odd(NAME, built) as machine:
        hears(machine, "desktop ready")
        machine.inside(IDLE, BUSY)
        control = machine.running.machine.control
        assert [ask(control, "act", IDLE, "echo", str(n), timeout=60) for n in range(TALKS)] == [[str(n)] for n in range(TALKS)]
