"""The plan: what a desktop resolves to. Pure data; it can be printed, compared and exported."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

OWNER = "io.modulux.owner"
IMAGE = "io.modulux.image"  # of images alone: containers inherit the labels of their image, whoever makes them
DESKTOP = "io.modulux.desktop"
MODULE = "io.modulux.module"
ROLE = "io.modulux.role"
SCHEMA = "io.modulux.schema"
HASH = "io.modulux.plan"
KEPT = "io.modulux.kept"
ADDED = "io.modulux.added"
FILE = "io.modulux.desktop-file"
SOCKETS = "io.modulux.sockets"
ACTIONS = "io.modulux.actions"
NEEDS = "io.modulux.needs"
SCREEN = "io.modulux.screen"
SESSION = "io.modulux.session"
STAGED = "io.modulux.staged"
SWITCH = "io.modulux.switch"

SCHEMA_VERSION = "1"


@dataclass(frozen=True)
class Volume:
    """A named volume; `kept` ones hold data and survive `down`."""

    name: str
    kept: bool
    labels: dict[str, str]


@dataclass(frozen=True)
class Network:
    """A bridge of the desktop's own; an internal one has no way out."""

    name: str
    internal: bool
    labels: dict[str, str]


@dataclass(frozen=True)
class Mount:
    """A volume (or a folder of the host, when `source` begins with a slash) at `target`."""

    source: str
    target: str
    read_only: bool


@dataclass(frozen=True)
class Publish:
    """A container's TCP `port` at `address`:`host_port` of the host (0: any that is free)."""

    interface: str
    address: str
    host_port: int
    port: int


@dataclass(frozen=True)
class DrawnArea:
    """An area of the picture (x, y, width, height; pixels or per cent) and how many colours it holds at least when drawn.

    What is `behind` the windows of applications may be covered by one.
    """

    area: tuple[int | str, int | str, int | str, int | str]
    colours: int
    behind: bool = False


@dataclass(frozen=True)
class Readiness:
    """Conditions for `/usr/lib/modulux/ready`, and areas of the picture; `timeout` in seconds.

    looks: a display's own command for such areas, where no viewer's picture is looked at.
    """

    conditions: tuple[str, ...]
    timeout: float
    drawn: tuple[DrawnArea, ...]
    looks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Container:
    """One module of the desktop, ready to be started. Memory and shm in bytes."""

    name: str
    short: str
    module: str
    role: str
    screen: str  # the first session on the screen that it stands on
    image: str
    hostname: str
    command: tuple[str, ...]
    env: dict[str, str]
    mounts: tuple[Mount, ...]
    networks: tuple[str, ...]
    publish: tuple[Publish, ...]
    ipc: str  # "private", "shareable", or the name of the container that is joined
    shm: int
    memory: int
    cpus: float
    pids: int
    capabilities: tuple[str, ...]
    devices: tuple[str, ...]
    seccomp: str | None
    host_files: bool  # the desktop shares a folder of the host: files in it must be the person's own, inside and outside
    ready: Readiness
    needs: tuple[str, ...]  # containers that must run before this one can be created
    after: tuple[str, ...]  # containers that must have been created before, since a volume gets its first content from them
    labels: dict[str, str]
    custody: tuple[str, ...] = ()  # volumes of others that it keeps, on a machine
    desktop: str | None = None  # of a machine's, with which it is started and ended; the machine's own have none
    rests: bool = False  # not started with the machine, but when somebody wants to see its desktop
    control: bool = False  # it commands a machine

    @property
    def hash(self) -> str:
        return self.labels[HASH]

    @property
    def sockets(self) -> dict[str, str]:
        """Sockets of what it provides, by interface."""
        return dict(json.loads(self.labels[SOCKETS]))


@dataclass(frozen=True)
class Image:
    """A module's image and what it is built on (both as references), by the module's id."""

    module: str
    reference: str
    base: str | None
    locale: str = "C.UTF-8"


@dataclass(frozen=True)
class Plan:
    """Everything that `up` makes, in an order in which it can be made."""

    desktop: str
    images: tuple[Image, ...]
    volumes: tuple[Volume, ...]
    networks: tuple[Network, ...]
    containers: tuple[Container, ...]
    files: tuple[dict[str, Any], ...] = ()  # of a machine's: the files of its desktops, as they are anywhere else

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def container(self, short: str) -> Container | None:
        return next((c for c in self.containers if c.short == short), None)


def fingerprint(value: object) -> str:
    """Twelve hexadecimal digits that change with `value` (anything JSON can hold)."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
