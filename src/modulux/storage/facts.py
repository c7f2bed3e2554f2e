"""What is known of an engine on this machine: plain data that is found by looking, shown, and kept in a move's journal."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from modulux.model.base import Model

EngineName = Literal["docker", "containerd", "podman"]


class Origin(Model):
    """Where a folder is configured, and in which words."""

    where: str
    says: str


class Part(Model):
    """A part of what an engine keeps: `images`, `containers`, `volumes` or the rest, and the folders that hold it."""

    name: str
    folders: list[Path]


class Process(Model):
    """A daemon that no service manager has started: how it was started, so that it can be again."""

    argv: list[str]
    cwd: Path
    environment: dict[str, str]


class Service(Model):
    """How an engine is stopped and started.

    units: of systemd, in the order in which they are stopped; of the user's own systemd where the engine is a user's.
    process: a daemon found running without one. Neither: there is no daemon.
    """

    units: list[str] = []
    process: Process | None = None


class Facts(Model):
    """An engine, whose it is and where its data lie.

    client: the words that reach it, as the person's own command line would. root: the folder that holds all its data, with
    symbolic links followed. outside: parts that are configured to lie elsewhere, and do not move with `root`.
    config: the file in which `root` can be changed, None where it cannot. refused: why it cannot be moved at all.
    """

    engine: EngineName
    user: str | None = None
    client: list[str] = []
    environment: dict[str, str] = {}
    version: str = ""
    root: Path
    driver: str | None = None
    running: bool = False
    origins: list[Origin] = []
    parts: list[Part] = []
    outside: list[Part] = []
    config: Path | None = None
    service: Service = Field(default_factory=Service)
    refused: list[str] = []
    notes: list[str] = []

    @property
    def name(self) -> str:
        """The name under which a person speaks of it."""
        return f"{self.engine} of {self.user}" if self.user else self.engine

    @property
    def key(self) -> str:
        """A name for files."""
        return f"{self.engine}-{self.user}" if self.user else self.engine

    @property
    def words(self) -> str:
        """What a person types to mean it."""
        return f"{self.engine} --user {self.user}" if self.user else self.engine


class Held(Model):
    """A container as it is counted."""

    id: str
    name: str
    running: bool = False
    temporary: bool = False
    """Removed by the engine itself as soon as it stops (--rm)."""

    paused: bool = False
    unit: str | None = None
    """The unit of systemd that starts it (Quadlet)."""


class Inventory(Model):
    """All that an engine holds, by the names and ids that it gives itself."""

    images: list[str] = []
    containers: list[Held] = []
    volumes: list[str] = []
    networks: list[str] = []

    @property
    def running(self) -> list[Held]:
        """Those that run, the one that was started first in front."""
        return [c for c in self.containers if c.running]

    def lacking(self, now: Inventory) -> list[str]:
        """What this inventory holds and `now` does not, in words."""
        lost: list[str] = []
        for kind, before, after in (
            ("image", set(self.images), set(now.images)),
            (
                "container",
                {f"{c.name} ({c.id:.12})" for c in self.containers},
                {f"{c.name} ({c.id:.12})" for c in now.containers},
            ),
            ("volume", set(self.volumes), set(now.volumes)),
            ("network", set(self.networks), set(now.networks)),
        ):
            lost += [f"{kind} {name}" for name in sorted(before - after)]
        return lost
