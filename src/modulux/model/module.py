"""A module's contract, `module.yaml`."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from modulux.model.base import Model, one_or_list, shown
from modulux.model.units import Cpus, Memory, Name, Pids, Screen, Seconds, Size


class Role(StrEnum):
    """What kind of part a module is; also the folder it lies in."""

    BASE = "base"
    DISPLAY = "display"
    VIEWER = "viewer"
    SESSION = "session"
    AUDIO = "audio"
    INPUT_METHOD = "input-method"
    APP = "app"
    SERVICE = "service"
    GATEWAY = "gateway"
    KERNEL = "kernel"
    INIT = "init"
    FIRMWARE = "firmware"


NOT_RUN = (Role.BASE, Role.KERNEL, Role.FIRMWARE, Role.INIT)
"""Roles whose images are built upon, or booted; none is ever started as a container."""


ModuleId = Annotated[str, Field(pattern=r"^[a-z-]+/[a-z0-9-]+$")]
"""`role/name`, the path of the module's folder."""

Likes = Annotated[list[ModuleId], BeforeValidator(one_or_list, json_schema_input_type=ModuleId | list[ModuleId])]

Edge = Literal["top", "bottom", "left", "right"]
"""Of a screen: where a session's bar lies."""

Arrange = Literal["shared", "nested", "separate"]
"""How a second session stands beside the first: on its screen, in a window on it, or on a screen of its own."""

Taken = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*( \| [a-z][a-z0-9-]*)*$")]
"""An interface's name, or several of which one is enough: `rfb | page`."""

Scalar = str | int | float | bool
Given = Scalar | list[str]
"""What a file may give for a parameter."""


class Param(Model):
    """A value that a desktop file may set for a module: `{module: x11vnc, wait: 10}`."""

    type: Literal["string", "integer", "number", "boolean", "lines"] = Field(
        description="`lines`: a list of strings, or one; commands and variables have them one a line"
    )
    default: Scalar
    summary: str = ""
    choices: list[Scalar] | None = None
    minimum: float | None = Field(default=None, description="of numbers: the least that it may be")
    needs: list[str] = Field(default_factory=list, description="parameters without which it says nothing")
    pattern: str | None = Field(default=None, description="of strings: what the whole of it must be; of lines, each of them")
    required: bool = Field(default=False, description="it must be set to something else than its default")
    files: bool = Field(
        default=False, description="of lines: in a machine file, one that is a path (./…, ~/…, /…) stands for that file's lines"
    )

    @model_validator(mode="after")
    def _default_fits(self) -> Param:
        self.check(self.default)
        return self

    def check(self, value: Given) -> None:
        """Raise ValueError, saying what would fit, unless `value` has the type and is among the choices."""
        kinds: dict[str, tuple[type, ...]] = {"string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,)}
        if self.type == "lines":
            return self._check_lines(value)
        if not isinstance(value, kinds[self.type]) or (self.type != "boolean" and isinstance(value, bool)):
            raise ValueError(f"{shown(value)} is not of type {self.type}")
        if self.pattern is not None and not re.fullmatch(self.pattern, str(value)):
            raise ValueError(f"{shown(value)} does not fit {self.pattern}")
        if self.choices is not None and value not in self.choices:
            raise ValueError(f"{shown(value)} is none of {', '.join(map(str, self.choices))}")
        if self.minimum is not None and isinstance(value, int | float) and value < self.minimum:
            raise ValueError(f"{shown(value)} is less than {self.minimum:g}")
        return None

    def _check_lines(self, value: Given) -> None:
        for line in lines_of(value):
            if not isinstance(line, str) or "\n" in line:
                raise ValueError(f"{shown(line)} is no line")
            if self.pattern is not None and not re.fullmatch(self.pattern, line):
                raise ValueError(f"{shown(line)} does not fit {self.pattern}")

    def taken(self, value: Given) -> Scalar:
        """What the module is given of a value that fits."""
        return "\n".join(value) if isinstance(value, list) else value


def lines_of(value: object) -> list[object]:
    """The lines of a parameter of that type, or what stands for them; none of an empty one."""
    return value if isinstance(value, list) else [] if value == "" else [value]


class Drawn(Model):
    """An area of the picture that counts as drawn when it holds at least `colours` distinct colours."""

    area: tuple[int | str, int | str, int | str, int | str] = Field(description="x, y, width, height: pixels or per cent")
    colours: int = Field(default=8, ge=2)
    edge: Edge | None = Field(default=None, description="counts only when the session's bar lies at this edge")
    behind: bool = Field(
        default=False, description="windows may cover it: it is looked for in a desktop that begins, and need be seen once"
    )


class Ready(Model):
    """When a module can be used, beside the sockets of what it provides, which always count."""

    bus_names: list[str] = Field(default_factory=list)
    windows: list[str] = Field(default_factory=list, description="WM_CLASS of windows that must be there")
    command: list[str] | None = None
    timeout: Seconds = 60.0
    drawn: list[Drawn] = Field(default_factory=list)
    looks: list[str] = Field(
        default_factory=list,
        description="of a display: a command that ends with 0 once the screen holds areas X,Y,WIDTH,HEIGHT,COLOURS[,behind]",
    )


class Probe(Model):
    """Where a person, and `modulux matrix`, finds a session's menu: a point to click (pixels or per cent), or keys to press."""

    menu: tuple[int | str, int | str] | None = None
    button: Literal[1, 3] = 1
    keys: list[str] = Field(default_factory=list, description="names of X keysyms, pressed together: [Super_L]")
    move: list[str] = Field(default_factory=list, description="of sessions that tile: keys that move the window to the left")


class Limits(Model):
    """Ceilings on what one module may use."""

    memory: Memory = 1024**3
    cpus: Cpus = 4.0
    pids: Pids = 512


class Bootstrap(Model):
    """A base's root file system, made by mmdebstrap from the Debian archive."""

    suite: str = Field(pattern="^[a-z]+$")
    packages: list[str] = Field(default_factory=list)


class Guest(Model):
    """What takes the place of a session's keys of the same names when it shares the screen of another session."""

    requires: list[Taken] | None = None
    command: list[str]
    ready: Ready = Ready()


class Module(Model):
    """The contract: what a module is, needs and gives. `docs/contract.md` explains every key."""

    role: Role
    summary: str
    base: ModuleId | None = None
    like: Likes = Field(
        default=[], description="whose Containerfile and rootfs serve where it has none, the first before others"
    )
    bootstrap: Bootstrap | None = None
    provides: list[Name] = Field(default_factory=list)
    requires: list[Taken] = Field(default_factory=list)
    uses: list[Name] = Field(default_factory=list)
    later: list[Name] = Field(default=[], description="of what it uses: it starts without waiting for them")
    command: list[str] = Field(default_factory=list)
    ready: Ready = Ready()
    restart: Literal["always", "on-failure", "never"] = "always"
    keeps: list[Annotated[str, Field(pattern=r"^[^\s/]{1,15}$")]] = Field(
        default=[], description="programs, by the kernel's name, that live on when the command dies and is started again"
    )
    user: Literal[1000] = 1000
    capabilities: list[Annotated[str, Field(pattern="^[A-Z_]+$")]] = Field(default_factory=list)
    devices: list[Annotated[str, Field(pattern="^/dev/")]] = Field(default_factory=list)
    terminal: bool = Field(default=False, description="a virtual terminal of its own, as only a machine gives one")
    custody: bool = Field(default=False, description="the data of a machine's desktops, to keep it; refused anywhere else")
    control: bool = Field(
        default=False, description="command of a whole machine: PID 1 obeys it as it obeys root; refused anywhere else"
    )
    network: Literal["none", "desktop", "internet", "machine"] = "none"
    shm: Size = 64 * 1024**2
    seccomp: str | None = Field(default=None, pattern="^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="a file in the folder")
    limits: Limits = Limits()
    params: dict[Name, Param] = Field(default_factory=dict)
    per: Literal["machine", "desktop", "screen", "session"] = Field(
        default="desktop", description="of services, sound, input methods; `machine`: one for all desktops of a machine"
    )
    viewer: Name | None = Field(default=None, description="of displays: the viewer of a desktop that names none")
    nested: Name | None = Field(default=None, description="of displays: the display by which a session is nested in it")
    largest_screen: Screen | None = None
    arrange: list[Arrange] = Field(
        default=["nested", "separate"], description="of sessions: as a second one, the first unless asked"
    )
    fixed: bool = Field(default=False, description="of sessions that fill a screen: they keep the size that they began with")
    edges: list[Edge] = Field(default_factory=list, description="of sessions: where the bar can lie, the best first")
    guest: Guest | None = Field(default=None, description="of sessions that can be `shared`")
    entries: list[str] = Field(default_factory=list, description="of apps: files of /usr/share/applications for the menus")
    probe: Probe = Probe()
    actions: dict[Name, list[str]] = Field(default_factory=dict)
    env: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> Module:
        if (self.base is None) == (self.bootstrap is None):
            raise ValueError("needs either `base:` or `bootstrap:`")
        if self.role not in NOT_RUN and not self.command:
            raise ValueError("needs a `command:`; only a base, a kernel and an init have none")
        if (self.guest is not None) != (self.role is Role.SESSION and "shared" in self.arrange):
            raise ValueError("`guest:` says how a session runs when it is `shared`; it needs both or neither")
        if unknown := [other for p in self.params.values() for other in p.needs if other not in self.params]:
            raise ValueError(f"`needs:` of a parameter names `{unknown[0]}`, which is none")
        return self
