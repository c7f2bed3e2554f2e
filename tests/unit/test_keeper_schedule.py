"""When a machine's schedule is due, whatever its clock did meanwhile; and what its file may say of it."""

from __future__ import annotations

import importlib
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.unit.test_machine_compose import CATALOG, desktop

from modulux.errors import ResolveError
from modulux.machine.compose import plan_machine
from modulux.model.machine import Machine
from modulux.paths import shipped


@pytest.fixture(scope="module")
def schedule() -> Any:
    """The program's own module, imported as its image does."""
    folder = str(shipped("modules") / "service/keeper/rootfs/usr/lib/modulux/keeper")
    before = set(sys.modules)
    sys.path.insert(0, folder)
    try:
        yield importlib.import_module("schedule")
    finally:
        sys.path.remove(folder)
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(Path(folder))):
                del sys.modules[name]


def at(*numbers: int) -> datetime:
    return datetime(*numbers)  # type: ignore[arg-type]  # noqa: DTZ001  local time


NOW = at(2026, 11, 26, 12, 30)  # a Thursday


@pytest.mark.parametrize(
    ("often", "now", "slot"),
    [
        ("hourly", NOW, at(2026, 11, 26, 12, 17)),
        ("hourly", at(2026, 1, 1, 0, 16), at(2025, 12, 31, 23, 17)),
        ("daily", NOW, at(2026, 11, 26, 3, 17)),
        ("daily", at(2026, 11, 26, 3, 16, 59), at(2026, 11, 25, 3, 17)),
        ("weekly", NOW, at(2026, 11, 23, 3, 17)),
        ("weekly", at(2026, 11, 23, 3, 0), at(2026, 11, 16, 3, 17)),
        ("monthly", NOW, at(2026, 11, 1, 3, 17)),
        ("monthly", at(2026, 1, 1, 3, 0), at(2025, 12, 1, 3, 17)),
    ],
)
def test_the_last_moment_at_which_it_was_due(schedule: Any, often: str, now: datetime, slot: datetime) -> None:
    assert schedule.slot(often, now) == slot


def test_it_is_due_once_however_long_the_machine_was_off_and_wherever_the_clock_was(schedule: Any) -> None:
    now, day = NOW.timestamp(), 86400.0
    done = schedule.Done
    assert not schedule.due("daily", done(now - 3600), now), "kept after today's time"
    assert schedule.due("daily", done(now - day), now)
    assert schedule.due("daily", done(now - 90 * day), now)
    assert schedule.due("daily", done(0.0), now), "first seen before the clock was set"
    assert schedule.due("daily", done(now + 900 * day), now), "kept at a time that was none"
    failed = [done(0.0, tried=now - 1000, failures=n) for n in (1, 2, 60)]
    assert [schedule.due("daily", one, now) for one in failed] == [True, False, False]
    assert schedule.due("daily", done(0.0, tried=now - 6 * 3600, failures=60), now)
    assert schedule.due("daily", done(0.0, tried=now + day, failures=60), now), "tried at a time that was none"


def test_rules_are_told_as_flags(schedule: Any) -> None:
    assert schedule.rules({"MODULUX_KEEP": "last=0 daily=7 weekly=4"}) == ["--keep-daily", "7", "--keep-weekly", "4"]
    assert schedule.rules({}) == []
    assert schedule.wanted({}) == schedule.wanted({"MODULUX_SCHEDULE": ""}) == "never"


def keeper(**params: Any) -> dict[str, str]:
    machine = Machine.model_validate({"name": "m", "desktops": ["openbox"], "services": [{"module": "keeper", **params}]})
    (its,) = [c for c in plan_machine(machine, CATALOG, desktop).containers if c.custody]
    return dict(its.env)


def test_a_machine_file_says_how_often_and_where_to() -> None:
    env = keeper(to="sftp:me@server:/kept", schedule="daily", **{"keep-daily": 7})
    assert env["MODULUX_REPOSITORY"] == "sftp:me@server:/kept"
    assert env["MODULUX_SCHEDULE"] == "daily"
    assert env["MODULUX_KEEP"] == "last=0 hourly=0 daily=7 weekly=0 monthly=0 yearly=0"
    assert keeper()["MODULUX_SCHEDULE"] == "never"


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"to": "/x", "schedule": "sometimes"}, "'sometimes' is none of never, hourly, daily, weekly, monthly"),
        ({"schedule": "daily"}, "`schedule`: says nothing without `to`"),
        ({"to": "/x", "keep-daily": 7}, "`keep-daily`: says nothing without `schedule`"),
        ({"to": "/x", "schedule": "daily", "keep-daily": -1}, "-1 is less than 0"),
        ({"to": "/x", "schedule": "daily", "keep-daily": "seven"}, "is not of type integer"),
        ({"to": "/x", "every": "daily"}, "has no parameter `every`"),
    ],
)
def test_what_a_machine_file_says_wrongly_of_it_is_refused(params: dict[str, Any], why: str) -> None:
    with pytest.raises(ResolveError, match=why):
        keeper(**params)
