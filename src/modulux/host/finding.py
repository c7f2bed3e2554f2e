"""What a check of the host gives, and the host as the checks see it."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from modulux import run
from modulux.host.limits import engine_workarounds, hard_limits
from modulux.host.packages import find_program
from modulux.run import Completed


class Status(StrEnum):
    """ok; warn: something is slower, smaller or less safe than it could be; fail: desktops cannot run until it is mended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    name: what was looked at, two or three words.
    status: how it stands.
    found: what is there, with figures.
    mend: what the person can do about it; None when nothing need be done.
    workaround: what Modulux does about it by itself; None when it cannot or need not.
    """

    name: str
    status: Status
    found: str
    mend: str | None = None
    workaround: str | None = None


@dataclass(frozen=True)
class EngineInfo:
    """What an engine says of itself.

    version: its numbers, empty when it did not answer.
    data: the folder where it keeps images and volumes.
    driver: its storage driver.
    runtime: the program that starts its containers by default.
    problem: why it did not answer.
    """

    version: tuple[int, ...] = ()
    data: Path | None = None
    driver: str | None = None
    runtime: str | None = None
    problem: str | None = None


def _none(_: str) -> str | None:
    return None


@dataclass(frozen=True)
class System:
    """The host as checks see it; tests give them another.

    root: where its file system begins.
    uid, user: whose engine it is.
    which: finds a program.
    execute: runs a program to its end; None starts none.
    """

    engine: str = "podman"
    root: Path = Path("/")
    uid: int = 0
    user: str = "root"
    hard: Mapping[str, int] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    which: Callable[[str], str | None] = _none
    execute: Callable[[Sequence[str]], Completed] | None = None
    ports: tuple[int, ...] = ()

    @classmethod
    def here(cls, engine: str, ports: Sequence[int] = ()) -> System:
        """This host; `ports` are those that a desktop's file fixes."""
        uid = os.geteuid()
        environment = engine_workarounds(engine).environment

        def execute(argv: Sequence[str]) -> Completed:
            return run.run(argv, env=environment, timeout=20)

        try:
            user = pwd.getpwuid(uid).pw_name
        except KeyError:
            user = str(uid)
        return cls(engine, Path("/"), uid, user, hard_limits(), os.environ, find_program, execute, tuple(ports))

    @property
    def rootless(self) -> bool:
        """Whether containers are run without root (Docker's daemon is asked, so that only Podman counts)."""
        return self.engine == "podman" and self.uid != 0

    def text(self, path: str) -> str | None:
        """The file `path` below the root, None when it cannot be read."""
        try:
            return (self.root / path).read_text().strip()
        except (OSError, UnicodeDecodeError):
            return None

    def number(self, path: str) -> int | None:
        """The number in the file `path` below the root."""
        text = self.text(path)
        return int(text) if text is not None and text.isdigit() else None
