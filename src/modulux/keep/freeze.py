"""A desktop's processes stand still for a moment, so that its files are those of one moment.

Only containers that can write what is kept are stopped: display, viewer and gateway go on, and no connection is lost. Whatever
becomes of this process, they go on again: a guard waits for its end.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from modulux import run
from modulux.engine.files import SCRIPT
from modulux.engine.protocol import Detail, Engine
from modulux.errors import EngineError
from modulux.host.limits import Cgroups, cgroups

GUARD = """trap "" INT TERM HUP; read -r over || { "$@"; exit; }"""


@dataclass
class Moment:
    """How long they stood still, in seconds; 0 as long as they do."""

    seconds: float = 0.0


@contextlib.contextmanager
def frozen(engine: Engine, containers: Sequence[Detail]) -> Iterator[Moment]:
    """Stop the containers' processes for as long as the context.

    Raises:
        EngineError: they cannot be stopped.
    """
    moment = Moment()
    if not containers:
        yield moment
        return
    by_signals = engine.rootless and cgroups() is not Cgroups.UNIFIED  # the old freezer is root's
    way = _signals if by_signals else _freezer
    with contextlib.ExitStack() as stack:
        thaw = stack.enter_context(way(engine, containers))
        began = time.monotonic()
        try:
            thaw.freeze()
            yield moment
        finally:
            thaw.thaw()
            moment.seconds = time.monotonic() - began


@dataclass(frozen=True)
class _Way:
    freeze: Callable[[], None]
    thaw: Callable[[], None]


@contextlib.contextmanager
def _freezer(engine: Engine, containers: Sequence[Detail]) -> Iterator[_Way]:
    """By the engine, which asks the kernel's freezer."""
    names = [c.name for c in containers]
    thaw = engine.unpause_argv(names)
    with run.pipe(["sh", "-c", GUARD, "sh", *thaw]) as guard:
        assert guard.stdin is not None
        try:
            yield _Way(lambda: engine.pause(names), lambda: _thaw(engine, thaw))
        finally:
            guard.stdin.write(b"over\n")
            guard.wait()


def _thaw(engine: Engine, argv: Sequence[str]) -> None:
    """Let them go on; if some did not stand still, the engine complains about those and lets the others go."""
    with contextlib.suppress(EngineError):
        engine.do(argv)


@contextlib.contextmanager
def _signals(engine: Engine, containers: Sequence[Detail]) -> Iterator[_Way]:
    """By signals, for which one helper near the processes does it all; at the end of its stdin it lets them go on, too."""
    with run.pipe(engine.near_argv([*SCRIPT, "hold", *(str(c.pid) for c in containers if c.pid)])) as helper:
        assert helper.stdin is not None
        assert helper.stdout is not None
        tell, hear = helper.stdin, helper.stdout

        def say(word: bytes) -> None:
            tell.write(word + b"\n")
            if hear.readline().strip() != word:
                raise EngineError(f"the containers' processes would not {word.decode()}")

        say(b"begin")  # its start is not part of the moment
        yield _Way(lambda: say(b"freeze"), lambda: say(b"thaw"))


def left_frozen(engine: Engine, prefix: str) -> list[str]:
    """Let containers go on that a killed run left standing; their names."""
    names = [c.name for c in engine.containers(prefix) if c.status == "paused"]
    if names:
        engine.do(engine.unpause_argv(names))
    return names
