"""The command line as a person runs it: a process of its own, its exit status, its output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def _interruptible() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@dataclass
class Cli:
    """`modulux` with an engine chosen and an environment."""

    engine: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        chosen = {"MODULUX_ENGINE": self.engine} if self.engine else {}
        return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "140", **chosen, **self.env}

    def command(self, argv: Sequence[str]) -> list[str]:
        """How `argv` is started; another user's command line starts it as that user."""
        return list(argv)

    def argv(self, *words: str) -> list[str]:
        return self.command([sys.executable, "-m", "modulux", *words])

    def run(self, *words: str, status: int | None = 0, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.argv(*words),
            env=self.environment(),
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
        )
        if status is not None:
            assert done.returncode == status, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start it and go on; it can be interrupted even where the tests themselves, run in the background, cannot."""
        return subprocess.Popen(
            self.argv(*words),
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            preexec_fn=_interruptible,  # noqa: PLW1509  the tests have no threads
        )

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json").stdout)

    def inside(self, desktop: str, module: str, script: str, status: int | None = 0) -> str:
        return self.run("exec", desktop, module, "--", "sh", "-c", script, status=status).stdout

    def kill(self, desktop: str, module: str, signal: str = "KILL") -> None:
        """A signal for the module's own command, the child of its supervisor."""
        enter = "grep -lx enter /proc/[0-9]*/comm | head -n 1 | cut -d/ -f3"
        children = f'grep -l "^PPid:[[:space:]]*$({enter})$" /proc/[0-9]*/status | cut -d/ -f3'
        self.inside(desktop, module, f'for p in $({children}); do kill -{signal} "$p"; done')

    def native(self, *words: str, check: bool = True) -> str:
        """The engine's own command line."""
        assert self.engine
        done = subprocess.run(
            self.command([self.engine, *words]), capture_output=True, text=True, env=self.environment(), check=False
        )
        assert done.returncode == 0 or not check, f"{words}: {done.stderr}"
        return done.stdout

    def left(self, desktop: str) -> list[str]:
        """Every container, volume and network that carries the desktop's name."""
        prefix = f"modulux.{desktop}."
        kinds: Sequence[Sequence[str]] = (["ps", "--all", "--format", "{{.Names}}"], ["volume", "ls", "--format", "{{.Name}}"])
        names = [n for words in [*kinds, ["network", "ls", "--format", "{{.Name}}"]] for n in self.native(*words).split()]
        return [n for n in names if n.startswith(prefix)]
