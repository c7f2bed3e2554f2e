"""A module's contract, `module.yaml`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from modulux.model.base import Model, shown
from modulux.model.units import Cpus, Memory, Name, Pids, Seconds, Size


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


ModuleId = Annotated[str, Field(pattern=r"^[a-z-]+/[a-z0-9-]+$")]
"""`role/name`, the path of the module's folder."""

Scalar = str | int | float | bool


class Param(Model):
    """A value that a desktop file may set for a module: `{module: x11vnc, wait: 10}`."""

    type: Literal["string", "integer", "number", "boolean"]
    default: Scalar
    summary: str = ""
    choices: list[Scalar] | None = None

    @model_validator(mode="after")
    def _default_fits(self) -> Param:
        self.check(self.default)
        return self

    def check(self, value: Scalar) -> None:
        """Raise ValueError, saying what would fit, unless `value` has the type and is among the choices."""
        kinds: dict[str, tuple[type, ...]] = {"string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,)}
        if not isinstance(value, kinds[self.type]) or (self.type != "boolean" and isinstance(value, bool)):
            raise ValueError(f"{shown(value)} is not of type {self.type}")
        if self.choices is not None and value not in self.choices:
            raise ValueError(f"{shown(value)} is none of {', '.join(map(str, self.choices))}")


class Drawn(Model):
    """An area of the picture that counts as drawn when it holds at least `colours` distinct colours."""

    area: tuple[int | str, int | str, int | str, int | str] = Field(description="x, y, width, height: pixels or per cent")
    colours: int = Field(default=8, ge=2)


class Ready(Model):
    """When a module can be used, beside the sockets of what it provides, which always count."""

    bus_names: list[str] = Field(default_factory=list)
    windows: list[str] = Field(default_factory=list, description="WM_CLASS of windows that must be there")
    command: list[str] | None = None
    timeout: Seconds = 60.0
    drawn: list[Drawn] = Field(default_factory=list)


class Limits(Model):
    """Ceilings on what one module may use."""

    memory: Memory = 1024**3
    cpus: Cpus = 4.0
    pids: Pids = 512


class Bootstrap(Model):
    """A base's root file system, made by mmdebstrap from the Debian archive."""

    suite: str = Field(pattern="^[a-z]+$")
    packages: list[str] = Field(default_factory=list)


class Module(Model):
    """The contract: what a module is, needs and gives. `docs/contract.md` explains every key."""

    role: Role
    summary: str
    base: ModuleId | None = None
    like: ModuleId | None = Field(default=None, description="whose Containerfile and rootfs serve where it has none")
    bootstrap: Bootstrap | None = None
    provides: list[Name] = Field(default_factory=list)
    requires: list[Name] = Field(default_factory=list)
    uses: list[Name] = Field(default_factory=list)
    command: list[str] = Field(default_factory=list)
    ready: Ready = Ready()
    restart: Literal["always", "on-failure", "never"] = "always"
    user: Literal[1000] = 1000
    capabilities: list[Annotated[str, Field(pattern="^[A-Z_]+$")]] = Field(default_factory=list)
    devices: list[Annotated[str, Field(pattern="^/dev/")]] = Field(default_factory=list)
    network: Literal["none", "desktop", "internet"] = "none"
    shm: Size = 64 * 1024**2
    seccomp: str | None = Field(default=None, pattern="^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="a file in the folder")
    limits: Limits = Limits()
    params: dict[Name, Param] = Field(default_factory=dict)
    actions: dict[Name, list[str]] = Field(default_factory=dict)
    env: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> Module:
        if (self.base is None) == (self.bootstrap is None):
            raise ValueError("needs either `base:` or `bootstrap:`")
        if self.role is not Role.BASE and not self.command:
            raise ValueError("needs a `command:`; only a base has none")
        return self
