"""Progress as data: actions emit events, and a terminal, a log or a JSON stream each show them in their own way."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Step:
    """A step began, ended or failed; `key` pairs the events, `seconds` is how long it took (0 at its start)."""

    key: str
    text: str
    state: Literal["began", "done", "failed"]
    seconds: float = 0.0


@dataclass(frozen=True)
class Count:
    """How many of the steps under way are done."""

    done: int
    total: int
    text: str


@dataclass(frozen=True)
class Note:
    """Something to be told once: a workaround taken, a thing left out."""

    text: str


@dataclass(frozen=True)
class Line:
    """A line of a step's own output, shown with -v."""

    key: str
    text: str


Event = Step | Count | Note | Line
Report = Callable[[Event], None]


def silent(_: Event) -> None:
    """A report that nobody reads."""


@contextlib.contextmanager
def step(report: Report, key: str, text: str) -> Iterator[None]:
    """Report `text` as a step that is under way for as long as the context."""
    began = time.monotonic()
    report(Step(key, text, "began"))
    try:
        yield
    except BaseException:
        report(Step(key, text, "failed", time.monotonic() - began))
        raise
    report(Step(key, text, "done", time.monotonic() - began))
