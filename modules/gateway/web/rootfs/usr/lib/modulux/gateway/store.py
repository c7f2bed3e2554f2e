"""Secrets that live for a while: each is an empty file, named by the secret (or its hash), as old as its last use.

The actions `link` and `vnc-password` put files here from outside; only this user can read the directory, which is on a tmpfs.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9_-]{8,64}")


class Store:
    """The files of one kind of secret, in a directory of mode 0700, valid for `lifetime` seconds."""

    def __init__(self, directory: Path, lifetime: int) -> None:
        self.directory = directory
        self.lifetime = lifetime
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)

    def add(self, name: str) -> None:
        (self.directory / name).touch(mode=0o600)

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
        path.touch(mode=0o600)
        return True

    def clear(self) -> None:
        for path in list(self.directory.iterdir()):
            path.unlink(missing_ok=True)

    def _path(self, name: str) -> Path | None:
        return self.directory / name if _NAME.fullmatch(name) else None

    def _fresh(self, path: Path) -> bool:
        try:
            age = time.time() - path.stat().st_mtime
        except OSError:
            return False
        if age < self.lifetime:
            return True
        path.unlink(missing_ok=True)
        return False
