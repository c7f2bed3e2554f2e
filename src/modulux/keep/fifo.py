"""Named pipes, by which a program is told a secret that stands in no command line, or waits until it may go on."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PAUSE = 0.003
"""Seconds between two looks whether somebody reads."""

FORGOTTEN = 24 * 3600
"""Seconds after which a pipe is a killed run's: nobody waits that long for its reader."""


def sweep(folder: Path, pattern: str) -> None:
    """Remove the pipes of that name that killed runs left long ago."""
    for path in folder.glob(pattern):
        with contextlib.suppress(FileNotFoundError):
            if path.is_fifo() and time.time() - path.stat().st_mtime > FORGOTTEN:
                path.unlink()


def make(path: Path) -> Path:
    """A new pipe at `path`, in place of an old one that a killed run left."""
    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o600)
    return path


def reader(path: Path, going_on: Callable[[], bool]) -> int | None:
    """Wait until somebody reads the pipe, and open it for writing; None once `going_on` says no."""
    while going_on():
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
        time.sleep(PAUSE)
    return None


@contextlib.contextmanager
def told(path: Path, secret: bytes) -> Iterator[Path]:
    """A pipe at `path` that says `secret` to whoever reads it, once."""
    over = threading.Event()

    def tell() -> None:
        fd = reader(path, lambda: not over.is_set())
        if fd is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(fd, secret)
            os.close(fd)

    teller = threading.Thread(target=tell, daemon=True)
    make(path)
    teller.start()
    try:
        yield path
    finally:
        over.set()
        teller.join()
        path.unlink(missing_ok=True)
