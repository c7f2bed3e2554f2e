"""Do something in a world of folders, and be killed at a certain step: `python -m tests.keep.killed FOLDER ACTION STEP`.

A step is the beginning or the end of a process that is started; without one (0) nobody is killed. Prints how many steps there were.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from modulux import run
from modulux.keep.clone import clone
from modulux.report import silent

from .folders import World

count = 0


def step(at: int) -> None:
    global count  # noqa: PLW0603
    count += 1
    if count == at:
        os.kill(os.getpid(), signal.SIGKILL)


def watched(at: int) -> None:
    """Count around everything that starts a process."""
    for name in ("run", "joined"):
        plain: Callable[..., Any] = getattr(run, name)

        def around(*words: Any, plain: Callable[..., Any] = plain, **keys: Any) -> Any:
            step(at)
            done = plain(*words, **keys)
            step(at)
            return done

        setattr(run, name, around)
    for name in ("lines", "pipe"):
        context: Callable[..., Any] = getattr(run, name)

        @contextlib.contextmanager
        def within(*words: Any, context: Callable[..., Any] = context, **keys: Any) -> Iterator[Any]:
            step(at)
            with context(*words, **keys) as inner:
                step(at)
                yield inner
            step(at)

        setattr(run, name, within)


def main(folder: Path, action: str, at: int) -> None:
    world = World(folder)
    watched(at)
    match action:
        case "backup":
            world.backup()
        case "restore":
            world.restore()
        case "clone":
            clone(world.engine, "a", "b", world.file, silent)
        case _:
            raise ValueError(action)
    sys.stdout.write(f"{count}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
