"""What Modulux asks of a container engine; small, so that another engine is a short file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from modulux.model.plan import Container, Network, Volume


@dataclass(frozen=True)
class Version:
    """The engine's version, e.g. (4, 3, 1), and how it prints it."""

    number: tuple[int, ...]
    text: str


@dataclass(frozen=True)
class State:
    """A container as the engine sees it. `ports` maps the container's TCP ports to (address, port) of the host."""

    id: str
    name: str
    status: str  # created running paused exited …
    labels: dict[str, str]
    image: str
    started: float  # seconds since the epoch, 0 if never
    exit_code: int
    ports: dict[int, tuple[str, int]] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        return self.status == "running"


@dataclass(frozen=True)
class Named:
    """A volume or network as the engine sees it."""

    name: str
    labels: dict[str, str]


@dataclass(frozen=True)
class Detail:
    """What only a closer look at a container tells: its first process, its image's id, the volumes it may write and where."""

    name: str
    pid: int
    image: str
    volumes: dict[str, str]


@dataclass(frozen=True)
class ImageFacts:
    """What an image says of itself: entry point, variables (`NAME=value`), working directory, and its layers.

    The lowest layer is the first; each is the digest (64 hexadecimal digits) of what it holds uncompressed.
    """

    entrypoint: tuple[str, ...]
    env: tuple[str, ...]
    folder: str
    layers: tuple[str, ...] = ()


class Engine(Protocol):
    """An engine. Methods raise EngineError with the engine's own words when it refuses.

    `…_argv` methods give the command instead of running it: for a person to paste, or to be run on a terminal or a pipe.
    """

    name: str
    program: str
    rootless: bool

    def version(self) -> Version: ...
    def containers(self, prefix: str) -> list[State]: ...
    def volumes(self, prefix: str) -> list[Named]: ...
    def networks(self, prefix: str) -> list[Named]: ...
    def images(self, references: Sequence[str]) -> set[str]: ...
    def run_argv(self, container: Container) -> list[str]: ...
    def start(self, container: Container) -> None: ...
    def volume_argv(self, volume: Volume) -> list[str]: ...
    def network_argv(self, network: Network) -> list[str]: ...
    def exec_argv(self, container: str, command: Sequence[str], *, stdin: bool = False, tty: bool = False) -> list[str]: ...
    def once_argv(self, image: str, command: Sequence[str], *, work: Path | None = None) -> list[str]: ...
    def logs_argv(self, container: str, *, follow: bool = False, tail: int | None = None) -> list[str]: ...
    def build_argv(self, context: Path, reference: str, arguments: Mapping[str, str]) -> list[str]: ...
    def build_env(self) -> dict[str, str]: ...
    def do(self, argv: Sequence[str], *, timeout: float | None = None) -> str: ...
    def make(self, argv: Sequence[str]) -> str: ...
    def adopt(self, volumes: Sequence[str], host_files: bool) -> None: ...
    def details(self, containers: Sequence[str]) -> list[Detail]: ...
    def volume_paths(self, volumes: Sequence[str]) -> dict[str, Path]: ...
    def near_argv(self, command: Sequence[str]) -> list[str]: ...
    def filled_volume_argv(self, volume: Volume) -> list[str]: ...
    def image_facts(self, references: Sequence[str]) -> dict[str, ImageFacts]: ...
    def image_ids(self, references: Sequence[str]) -> dict[str, str]: ...
    def tag(self, image: str, reference: str) -> None: ...
    def save_argv(self, references: Sequence[str]) -> list[str]: ...
    def load_argv(self) -> list[str]: ...
    def stop(self, containers: Sequence[str], grace: int) -> None: ...
    def remove(self, kind: str, names: Sequence[str]) -> None: ...
    def tidy(self, prefix: str) -> None: ...
    def tidy_build(self, base: str, since: float) -> None: ...
