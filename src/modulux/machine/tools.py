"""The module `base/machine-tools`: what makes file systems and start-up archives, in a container instead of on the host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from modulux.engine.protocol import Engine

MODULE = "base/machine-tools"
SCRIPTS = "/usr/lib/modulux/machine"
WORK = "/job"


@dataclass(frozen=True)
class Tools:
    """The image with the tools, in an engine."""

    engine: Engine
    image: str

    def do(self, script: str, folder: Path, *arguments: str) -> str:
        """Run one of its scripts with `folder` at /job; what it printed.

        Raises:
            EngineError: it failed.
        """
        return self.run(self.image, folder, f"{SCRIPTS}/{script}", *arguments)

    def run(self, image: str, folder: Path, *command: str) -> str:
        """The same for a command of another image."""
        return self.engine.do(self.engine.once_argv(image, command, work=folder))
