"""Modulux as a person starts it: whole processes of the command line, timed from outside."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modulux import run
from modulux.errors import ModuluxError, NotFoundError

MODULES = Path(__file__).parent / "modules"


@dataclass(frozen=True)
class CommandLine:
    """Runs verbs on the given engine; `prefix` is how Modulux is started."""

    engine: str
    prefix: tuple[str, ...] = (sys.executable, "-m", "modulux")
    modules: tuple[Path, ...] = ()

    def up(self, file: Path) -> tuple[float, dict[str, Any]]:
        """Seconds that `up` took as a process, and its answer."""
        began = time.monotonic()
        answer = self._json("up", str(file), "--yes")
        return time.monotonic() - began, answer

    def down(self, name: str, *, volumes: bool = True) -> None:
        """Take a desktop down; one that is not there is no error."""
        with contextlib.suppress(NotFoundError):
            self._json("down", name, *(["--volumes", "--yes"] if volumes else []))

    @contextlib.contextmanager
    def gone_after(self, name: str) -> Iterator[None]:
        """Take the desktop down, its data too, at the end of the context; what went wrong within it is what is told."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(ModuluxError):
                self.down(name)
            raise
        self.down(name)

    def build(self, file: Path) -> None:
        """Build what a desktop needs."""
        self._run("build", "--desktop", str(file), "--yes")

    def run(self, name: str, app: str) -> None:
        """An app more on a running desktop."""
        self._run("run", name, app, "--yes")

    def stop(self, name: str, app: str) -> None:
        """An app less."""
        self._run("stop", name, app)

    def swap(self, name: str, *changes: str) -> None:
        """Change parts of a running desktop."""
        self._run("swap", name, *changes)

    def plan(self, file: Path) -> dict[str, Any]:
        return self._json("plan", str(file))

    def link(self, name: str) -> str:
        """A fresh one-time link for the browser."""
        return str(self._json("open", name)["browser"])

    def ask(self, verb: str, *words: str) -> dict[str, Any]:
        """Any other verb's answer."""
        return self._json(verb, *words)

    def _json(self, verb: str, *words: str) -> dict[str, Any]:
        return dict(json.loads(self._run(verb, *words)))

    def _run(self, verb: str, *words: str) -> str:
        modules = [word for folder in self.modules for word in ("--modules", str(folder))]
        argv: Sequence[str] = (*self.prefix, verb, *words, "--json", "--engine", self.engine, *modules)
        # The child must find the very code that this process runs.
        paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
        done = run.run(argv, env={"PYTHONPATH": os.pathsep.join(paths)})
        if done.status == NotFoundError.exit_code:
            raise NotFoundError(f"`{run.shown(argv)}` found nothing")
        if not done.ok:
            raise ModuluxError(f"`{run.shown(argv)}` ended with {done.status}", hint=done.stderr.strip()[-1500:] or None)
        return done.stdout


def desktop(folder: Path, name: str, **keys: object) -> Path:
    """Write a desktop file: the ready-made Xfce desktop, with other `keys` where given (JSON is YAML too)."""
    content = {
        "name": name,
        "display": "xvfb",
        "screen": "1280x800",
        "sessions": ["xfce"],
        "viewer": "x11vnc",
        "apps": [],
    } | keys
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(content))
    return path
