"""Keeping the desktops regularly, as the machine file says it: a machine has neither timers nor cron.

Who serves looks at the clock now and then, and does what is due. So it matters neither that the clock was wrong until the
network set it, nor for how long the machine was off: what should have been done meanwhile is done once, some minutes after
the start.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from repository import without_password
from said import tell

from machine import STALE, desktops

NEVER = "never"
RECORD = Path.home() / ".local/share/modulux/schedule.json"
"""What was done when, of each desktop; it lies in the home, which is kept."""

CALM = 120.0
"""Seconds from the start until the first look: the desktop is to be there first, and the clock to be right."""

LOOK = 30.0
"""Seconds between two looks at the clock."""

PAUSE, LONGEST_PAUSE = 15 * 60.0, 6 * 3600.0
"""Seconds after a failure until it is tried again, each time twice as long, and at most."""

ENDED_FROM_OUTSIDE = (143, -15)


@dataclass(frozen=True)
class Done:
    """Of a desktop, in seconds since 1970.

    Args:
        since: when it was kept last, or, if it never was, when it was first seen that it is to be.
        kept: whether it was.
        tried: when it was tried last; 0 if it never was.
        failures: how often in a row it failed.
        why: it did, the last time.
    """

    since: float
    kept: bool = False
    tried: float = 0.0
    failures: int = 0
    why: str = ""


def slot(often: str, now: datetime) -> datetime:
    """The last moment, up to now, at which it was due: those at which a crontab of Modulux would begin anywhere else."""
    at = now.replace(minute=17, second=0, microsecond=0)
    if often == "hourly":
        return at if at <= now else at - timedelta(hours=1)
    at = at.replace(hour=3)
    if often == "weekly":
        at -= timedelta(days=at.weekday())
    elif often == "monthly":
        at = at.replace(day=1)
    if at <= now:
        return at
    return (at - timedelta(days=1)).replace(day=1) if often == "monthly" else at - timedelta(days=7 if often == "weekly" else 1)


def due(often: str, done: Done, now: float) -> bool:
    """Whether it is. What lies ahead of the clock was noted while it was wrong."""
    pause = min(PAUSE * 2 ** (done.failures - 1), LONGEST_PAUSE) if done.failures else 0.0
    if done.tried <= now < done.tried + pause:
        return False
    return done.since > now or done.since < slot(often, datetime.fromtimestamp(now)).timestamp()  # noqa: DTZ006  local time, as cron has it


def read() -> dict[str, Done]:
    """What is on record; nothing of one that cannot be read."""
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        return {name: Done(**said) for name, said in json.loads(RECORD.read_text()).items()}
    return {}


def write(record: Mapping[str, Done]) -> None:
    """Whole or not at all."""
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    beside = RECORD.with_name(f".{RECORD.name}.new")
    with beside.open("w") as file:
        json.dump({name: asdict(done) for name, done in record.items()}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(RECORD)


def wanted(environment: Mapping[str, str] = os.environ) -> str:
    """How often; `never`."""
    return environment.get("MODULUX_SCHEDULE") or NEVER


def rules(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Flags of `forget`: what stays of a desktop's snapshots. None without a rule: then all do."""
    pairs = [pair.split("=") for pair in environment.get("MODULUX_KEEP", "").split()]
    return [word for rule, number in pairs if number != "0" for word in (f"--keep-{rule}", number)]


def look(often: str) -> None:
    """Keep each desktop for which it is time, one after the other."""
    for name in desktops():
        record = read()
        now = time.time()
        if name not in record:
            write(record | {name: Done(now)})
        elif due(often, record[name], now) and not STALE.exists():
            made = _kept(name, record[name])
            if made is not None:
                write(read() | {name: made})


def _kept(name: str, before: Done) -> Done | None:
    """What came of it; None if it was ended from outside, and is to be done again."""
    tell(f"schedule: keeping {name}")
    why = _why_not("backup", name)
    if why is None or STALE.exists():
        return None
    now = time.time()
    if why:
        tell(f"schedule: {name} was NOT KEPT: {why}")
        return replace(before, tried=now, failures=before.failures + 1, why=why)
    tell(f"schedule: {name} is kept")
    why = _why_not("forget", "--desktop", name, *rules(), "--yes") if rules() else ""
    if why:
        tell(f"schedule: older snapshots of {name} did not go: {why}")
    return Done(now, kept=True, tried=now, why=f"kept, but older snapshots did not go: {why}" if why else "")


def _why_not(*words: str) -> str | None:
    """Why a command failed; nothing if it did not, None if it was ended from outside. Nobody is there to be asked."""
    file = os.environ.get("MODULUX_PASSWORD_FILE", "")
    if not Path(file).expanduser().is_file():
        return f"there is no password in {file}; `modulux password` keeps it there"
    argv = [sys.executable, str(Path(__file__).with_name("command.py")), *words]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode in ENDED_FROM_OUTSIDE:
        return None
    said = [line for line in done.stderr.splitlines() if line.startswith("modulux: ")] or done.stderr.splitlines()
    return (said or [f"exit status {done.returncode}"])[-1].removeprefix("modulux: ") if done.returncode else ""


def keep_on() -> None:
    """Look at the clock for ever, if the machine file says so."""
    often = wanted()
    if often == NEVER:
        return
    tell(f"schedule: {often}, to {without_password(os.environ.get('MODULUX_REPOSITORY', ''))}")
    time.sleep(CALM)
    while True:
        try:
            look(often)
        except OSError as error:  # the disk is full, or damaged: it may be well again later
            tell(f"schedule: {error}")
        time.sleep(LOOK)


def shown(name: str, often: str) -> dict[str, object] | None:
    """What is to be said of a desktop; None without a schedule."""
    if often == NEVER:
        return None
    done = read().get(name, Done(0.0))
    return {
        "schedule": often,
        "kept": _time(done.since) if done.kept else None,
        "tried": _time(done.tried) or None,
        "why": done.why,
    }


def told(said: Mapping[str, object] | None) -> str:
    """The same for a person."""
    if said is None:
        return ""
    last = f"last {str(said['kept'])[:16].replace('T', ' ')}" if said["kept"] else "not yet"
    failed = f"; on {str(said['tried'])[:16].replace('T', ' ')}: {said['why']}" if said["why"] else ""
    return f"\n  kept {said['schedule']}, {last}{failed}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds") if seconds else ""
