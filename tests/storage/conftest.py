"""A machine of the tests' own with an engine that is filled, and Modulux on it: as it is, killed at a place, or without power."""

# ruff: noqa: E402  helpers' assertions tell more when pytest has been told of them before

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

pytest.register_assert_rewrite("tests.support.filled")
from tests.support.cli import ROOT
from tests.support.filled import Filled
from tests.support.smallhost import SmallHost, small_host, why_not

KILLED = (-9, 137)


@dataclass
class Moving:
    """A filled engine, and the verbs of `modulux storage` for it."""

    host: SmallHost
    filled: Filled
    flags: tuple[str, ...] = ()
    to: str = ""  # another destination than the big disk

    @property
    def engine(self) -> str:
        return self.filled.engine

    @property
    def target(self) -> str:
        return str(self.host.big / self.engine)

    def verb(self, verb: str, *words: str, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        return self.host.run("storage", verb, self.engine, *words, status=status)

    def move(self, *words: str, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        return self.verb("move", self.to or str(self.host.big), "--yes", *self.flags, *words, status=status)

    def undo(self, *words: str, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        return self.verb("undo", "--yes", *words, status=status)

    def killed(self, at: str, verb: str, *words: str) -> bool:
        """Run the verb and kill it at the place (see tests/support/killed.py); whether it got there."""
        more = [self.to or str(self.host.big)] if verb == "move" else []
        argv = [sys.executable, str(ROOT / "tests/support/killed.py"), "storage", verb, self.engine, *more, "--yes", *words]
        done = self.host.do("env", f"KILL_AT={at}", *argv, check=False)
        assert done.returncode in (*KILLED, 0), done.stderr
        return done.returncode in KILLED

    def journal(self) -> dict[str, Any] | None:
        text = self.host.do("cat", f"/var/lib/modulux/storage/{self.engine}.json", check=False).stdout
        return json.loads(text) if text else None

    def start_engine(self) -> None:
        """What a start of the machine does."""
        if self.engine == "docker":
            self.host.dockerd()
        self.filled.do("start", "ticks")

    def where(self) -> str:
        """The disk on which the engine's data are: `big` or `sys`."""
        root = str(self.filled.volume("odd"))
        return self.host.sh('findmnt --noheadings --output SOURCE --target "$1"', root).split("[")[0].strip()

    def back_home(self) -> None:
        """Nothing of the move is left, and everything is there."""
        self.filled.all_there()
        assert self.journal() is None
        assert self.host.sh("cat /etc/fstab; ls -d /etc/.*modulux* 2>/dev/null || true") == ""
        left = self.host.sh(
            'ls -A "$1"; ls -d /var/lib/*.modulux* /var/lib/*/*.modulux* 2>/dev/null || true', str(self.host.big)
        )
        assert left.split() in ([], ["lost+found"])


@pytest.fixture
def moving() -> Iterator[Callable[..., Moving]]:
    """Make a machine and fill an engine on it; `options` are those of `small_host`."""
    if why := why_not():
        pytest.skip(why)
    with ExitStack() as stack:

        def make(engine: str, *flags: str, **options: Any) -> Moving:
            host = stack.enter_context(small_host(**options))
            if engine == "docker":
                host.dockerd()
            filled = Filled(host, engine)
            filled.fill()
            return Moving(host, filled, flags)

        yield make
