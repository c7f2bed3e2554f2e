"""Secrets that live for a while: each is an empty file, named by the secret (or its hash), as old as its last use.

A file's time is what the clock since the computer's start said then; that of the day is set right now and then, by hours.
The actions `link` and `vnc-password` put files here from outside; only this user can read the directory, which is on a tmpfs.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9_-]{8,64}")


def now() -> float:
    """Seconds since the computer was started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _note(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):  # used up meanwhile
        at = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        os.utime(path, ns=(at, at))


class Store:
    """The files of one kind of secret, in a directory of mode 0700, valid for `lifetime` seconds."""

    def __init__(self, directory: Path, lifetime: int) -> None:
        self.directory = directory
        self.lifetime = lifetime
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)

    def add(self, name: str) -> None:
        path = self.directory / name
        path.touch(mode=0o600)
        _note(path)

    def live(self) -> list[str]:
        """Names that are still valid; those that are not are removed on the way."""
        return [path.name for path in list(self.directory.iterdir()) if self._fresh(path)]

    def take(self, name: str) -> bool:
        """True for exactly one caller, when `name` is valid: it is removed, so that it is used once."""
        path = self._path(name)
        if path is None or not self._fresh(path):
            return False
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        return True

    def use(self, name: str) -> bool:
        """True when `name` is valid; its lifetime begins anew."""
        path = self._path(name)
        if path is None or not self._fresh(path):
            return False
        _note(path)
        return True

    def clear(self) -> None:
        for path in list(self.directory.iterdir()):
            path.unlink(missing_ok=True)

    def _path(self, name: str) -> Path | None:
        return self.directory / name if _NAME.fullmatch(name) else None

    def _fresh(self, path: Path) -> bool:
        try:
            age = now() - path.stat().st_mtime
        except OSError:
            return False
        if age < 0:  # it is just being made
            return False
        if age < self.lifetime:
            return True
        path.unlink(missing_ok=True)
        return False
