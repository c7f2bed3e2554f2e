"""What was said on a machine that runs, also before its last start, asked of the module that keeps it (interface `journal`)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modulux.errors import NotFoundError, UsageError
from modulux.machine.control import Door, ask
from modulux.model.units import parse_seconds

PLACE = "/var/log/machine"
"""Where the interface `journal` lies; who provides it answers to PROGRAM."""

PROGRAM = "/usr/lib/modulux/journal"
ALL, START, NO_SUCH_START = "all", "-", "none"
PAUSE = 1.0
"""Seconds between two questions for more."""

_AGO = re.compile(r"(\d+)\s*([hd])")
_HOURS = {"h": 1, "d": 24}


@dataclass(frozen=True)
class Line:
    """Something that was said: seconds since 1970, by whom (a container, `machine` for PID 1, or `kernel`), and the words."""

    at: float
    source: str
    text: str

    def to_json(self) -> dict[str, Any]:
        return {"time": self.at, "source": self.source, "line": self.text}

    def __str__(self) -> str:
        when = datetime.fromtimestamp(self.at).astimezone()
        return f"{when:%Y-%m-%d %H:%M:%S} {self.source.removeprefix('modulux.')}: {self.text}"


@dataclass(frozen=True)
class Question:
    """Which lines are wanted: of which start (0 the last, -1 the one before, `all`), since when, of whom."""

    boot: str = "0"
    since: float = 0
    source: str = ALL


def keeper(record: Mapping[str, Any]) -> str:
    """The container that keeps what is said.

    Args:
        record: what the build noted (`machine.json`).

    Raises:
        NotFoundError: the machine keeps nothing.
    """
    found = record.get("journal")
    if not found:
        hint = "its file says `log: none`, or has `init: systemd`, or an older Modulux built it"
        raise NotFoundError(f"the machine `{record['name']}` does not keep what is said on it", hint=hint)
    return str(found)


def since_when(word: str, now: float | None = None) -> float:
    """Seconds since 1970 of a time that a person writes: `10m`, `2h`, `3d` ago, or `2026-11-26 14:30` by this computer's clock.

    Raises:
        UsageError: it is none.
    """
    now = time.time() if now is None else now
    if match := _AGO.fullmatch(word.strip()):
        return now - int(match[1]) * _HOURS[match[2]] * 3600
    try:
        return now - parse_seconds(word)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(word).timestamp()
    except ValueError:
        raise UsageError(f"--since {word}: no time", hint="such as 10m, 2h, 3d, or 2026-11-26T14:30") from None


def kept(control: Door, container: str, question: Question) -> tuple[list[Line], str]:
    """The lines, and where to go on (`more`).

    Raises:
        EngineError, NotReadyError: as `ask`.
        NotFoundError: that start is not kept.
    """
    return _asked(control, container, question, START)


def more(control: Door, container: str, question: Question, at: str) -> Iterator[Line]:
    """What comes after that, as long as it is asked for."""
    while True:
        time.sleep(PAUSE)
        lines, at = _asked(control, container, question, at)
        yield from lines


def _asked(control: Door, container: str, question: Question, at: str) -> tuple[list[Line], str]:
    words = (PROGRAM, question.boot, f"{question.since:.3f}", question.source, at)
    lines: list[Line] = []
    for text in ask(control, "act", container, *words):
        when, source, rest = [*text.split("\t", 2), "", ""][:3]
        if when:
            lines.append(Line(float(when), source, rest))
        elif rest == NO_SUCH_START:
            raise NotFoundError("that start is not kept", hint="--boot 0 is the last one, --boot all all of them")
        else:
            at = rest
    return lines, at
