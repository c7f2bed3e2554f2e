"""A desktop: which modules go together (`desktops/*.yaml`)."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from modulux.model.base import Model, Written, kebab, one_or_list
from modulux.model.keyboard import known_keyboard
from modulux.model.locale import known_locale
from modulux.model.module import Arrange, Given
from modulux.model.units import Cpus, Memory, Name, Pids, Screen

XDG_DIRECTORIES = ("Desktop", "Documents", "Downloads", "Music", "Pictures", "Public", "Templates", "Videos")
"""Directories of the home that the bases prepare, so that a new volume there gets the right owner."""


class Use(Written):
    """A module in a desktop: its name alone, or `{module: NAME, PARAMETER: VALUE, …}`."""

    model_config = ConfigDict(frozen=True, extra="allow", alias_generator=kebab, populate_by_name=True)

    module: Name
    arrange: Arrange | None = Field(default=None, description="of a second session; the first that its contract offers")
    session: Name | None = Field(default=None, description="of apps: the session in whose home and on whose bus it runs")
    autostart: bool = Field(default=True, description="of apps: false waits until it is started from a session's menu")
    trust: Literal["full", "none"] = Field(
        default="full", description="of apps: none gives a screen of its own, no home, no bus"
    )

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        if isinstance(value, list):
            raise ValueError("takes one module, not a list", "name one; sessions, viewers, services and apps can be several")
        return {"module": value} if isinstance(value, str) else value

    @property
    def params(self) -> dict[str, Given]:
        return dict(self.__pydantic_extra__ or {})


def _address(value: str) -> str:
    try:
        if "%" in value:
            raise ValueError
        ipaddress.ip_address(value)
    except ValueError:
        raise ValueError(f"{value!r:.80} is not an IP address", "such as 127.0.0.1, ::1, or 0.0.0.0 for all") from None
    return value


class Gateway(Use):
    """The gateway, with where it listens on the host."""

    port: int = Field(default=0, ge=0, le=65535, description="on the host; 0 = any that is free")
    vnc_port: int = Field(default=0, ge=0, le=65535)
    address: Annotated[str, AfterValidator(_address)] = Field(
        default="127.0.0.1", description="loopback unless you say otherwise"
    )

    @model_validator(mode="after")
    def _two_ports(self) -> Gateway:
        if self.port and self.port == self.vnc_port:
            raise ValueError(f"`port` and `vnc-port` are both {self.port}", "take two, or 0 for any that is free")
        return self

    def host_port(self, interface: str) -> int:
        return {"web": self.port, "vnc": self.vnc_port}.get(interface, 0)


class Share(Written):
    """A volume that every session and app of the desktop sees, or a folder of the host's."""

    path: str
    host: str | None = Field(
        default=None,
        pattern=r"^(~(/[^:\x00-\x1f]*)?|/[^:\x00-\x1f]*)$",
        description="a folder of the host instead of a volume; from / or ~/, without a colon",
    )

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @property
    def target(self) -> str:
        return re.sub("^~", "/home/user", self.path)


class DesktopLimits(Model):
    """Ceilings for each of the desktop's modules, on top of the module's own."""

    memory: Memory | None = None
    cpus: Cpus | None = None
    pids: Pids | None = None


def known_zone(value: str) -> str:
    """The time zone, or `host` for this computer's.

    Raises:
        ValueError: nobody knows it.
    """
    if value != "host":
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(
                f"{value!r:.80} is no known time zone", "such as Europe/Berlin, or host for this machine's"
            ) from None
    return value


def _share_paths(shares: dict[str, Share]) -> dict[str, Share]:
    seen: dict[str, str] = {}
    for name, share in shares.items():
        if (other := seen.setdefault(share.path, name)) != name:
            raise ValueError(f"{other} and {name} both lie at {share.path}", "each share has a place of its own")
        inside = re.fullmatch(r"~/([A-Za-z0-9_-]+)", share.path)
        if not inside or (share.host is None and inside[1] not in XDG_DIRECTORIES):
            raise ValueError(f"a share lies at ~/ and one of {', '.join(XDG_DIRECTORIES)} (a host folder: any ~/NAME)")
    return shares


ShareName = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
"""Part of a volume's name."""

Uses = Annotated[list[Use], BeforeValidator(one_or_list, json_schema_input_type=Use | str | list[Use | str])]


class Desktop(Model):
    """A composition. Only `name`, `display` and `sessions` are needed."""

    name: Name = Field(description="of the desktop; also its hostname")
    summary: str = ""
    display: Use | None = Field(default=None, description="left out where the first session is a display itself")
    screen: Screen = Screen(width=1280, height=800)
    sessions: Annotated[Uses, Field(min_length=1)]
    viewer: Uses | None = Field(default=None, description="without it, the one that suits the display")
    gateway: Gateway | None = Gateway(module="web")
    audio: Use | None = None
    input_method: Use | None = None
    services: Uses = []
    apps: Uses = []
    locale: Annotated[str, AfterValidator(known_locale)] = "C.UTF-8"
    timezone: Annotated[str, AfterValidator(known_zone)] = "host"
    keyboard: Annotated[str, AfterValidator(known_keyboard)] = "us"
    shares: Annotated[dict[ShareName, Share], AfterValidator(_share_paths)] = {"Documents": Share(path="~/Documents")}
    limits: DesktopLimits = DesktopLimits()
