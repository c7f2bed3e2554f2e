"""A machine: a computer that boots into containers (`machines/*.yaml`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from modulux.model.base import Model, Written, one_or_list
from modulux.model.desktop import Desktop, Gateway, Uses, known_zone
from modulux.model.firmware import DEBIAN, KERNEL, NONE, FirmwareUse
from modulux.model.kernel import KernelUse
from modulux.model.keyboard import known_keyboard
from modulux.model.locale import known_locale
from modulux.model.units import Name, Screen, Size

OWN = "own"
"""The `display:` or `audio:` of a desktop that keeps what its own file says, seen and heard through browsers."""


MOST_SCREENS = 4
"""Of a machine."""


class MachineDesktop(Written):
    """A desktop of a machine: its name or path alone, or with what is to be different for it."""

    desktop: Annotated[str, Field(min_length=1)] | Desktop = Field(
        description="the name of a ready-made one, the path of a file, or what such a file holds"
    )
    display: Name | None = Field(default=None, description="in place of the machine's")
    autostart: bool = Field(
        default=True,
        description="false: it rests until somebody goes to its terminal (Ctrl-Alt-F8, `machine show`) or starts it",
    )

    @model_validator(mode="before")
    @classmethod
    def _word_alone(cls, value: Any) -> Any:
        return {"desktop": value} if isinstance(value, str) else value


Desktops = Annotated[list[MachineDesktop], BeforeValidator(one_or_list), Field(min_length=1)]


def known_hash(value: str) -> str:
    """The hash of a password as crypt(5) writes it: `$y$…`, `$6$…`.

    Raises:
        ValueError: it is none; what it is instead is not told, since it may be a password.
    """
    if not re.fullmatch(r"\$[0-9a-z]+\$[./A-Za-z0-9$=,+-]{20,}", value):
        raise ValueError("is no hash of a password as crypt(5) writes it", "`openssl passwd -6` and `mkpasswd` make one")
    return value


def none_alone(value: object) -> object:
    """No password is written into a machine file, nor repeated from it."""
    if value not in (None, "none"):
        raise ValueError("can only be `none`; what it is instead is not repeated here", "a hash goes into `password-hash:`")
    return value


class Login(Model):
    """Who may log in on a machine's console: whoever knows the password. One of the three."""

    password_hash: Annotated[str, AfterValidator(known_hash)] | None = Field(default=None, description="as crypt(5) writes it")
    password_file: str | None = Field(default=None, description="a file that holds it, meant from the machine file's folder")
    password: Annotated[Literal["none"] | None, BeforeValidator(none_alone)] = Field(
        default=None, description="`none`: whoever sits at the keyboard is let in"
    )
    serial: bool = Field(default=False, description="whether also on the first serial line (/dev/ttyS0)")

    @model_validator(mode="before")
    @classmethod
    def _pairs(cls, value: Any) -> Any:
        if not isinstance(value, dict | Login):
            raise ValueError(
                "takes `key: value` pairs", "such as {password-file: office.hash}; without `login:` nobody can log in"
            )
        return value

    @model_validator(mode="after")
    def _one(self) -> Login:
        if sum(value is not None for value in (self.password_hash, self.password_file, self.password)) != 1:
            raise ValueError(
                "takes one of `password-hash:`, `password-file:` and `password: none`", "without `login:` nobody can log in"
            )
        return self

    @property
    def word(self) -> str:
        """What `service/login` is told: a hash, or `none`. A file has been read before (`read_machine`)."""
        return self.password_hash or self.password or ""


class MadeOf(Model):
    """What a machine that was exported was made of (`machine describe`). Nothing is chosen by it, only compared."""

    version: str | None = Field(default=None, description="of its system")
    kernel: str | None = Field(default=None, description="its version")
    images: list[str] = Field(default_factory=list, description="their references, which change with the modules' folders")


def known_servers(words: list[str]) -> list[str]:
    """Time servers, or one word of `network` and `none`.

    Raises:
        ValueError: one is no name of a computer and no address of one.
    """
    if words in (["network"], ["none"]):
        return words
    for word in words:
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?", word) or word in ("network", "none"):
            raise ValueError(
                f"{word!r:.80} is no time server", "such as ntp.example.org or 192.168.0.1; or `network`, or `none`"
            )
    return words


Servers = Annotated[list[str], BeforeValidator(one_or_list), AfterValidator(known_servers), Field(min_length=1)]


class Log(Model):
    """How much is kept of what is said on a machine."""

    size: Annotated[Size, Field(ge=1024**2)] = Field(default=64 * 1024**2, description="at most; the oldest goes first")
    days: int = Field(default=30, ge=1, le=3650, description="after which it goes")


LEAST_STATE = 64 * 1024**2
"""Bytes. The file system that PID 1 makes, with its journal, takes 2 MB; homes, the log and updates are to have room too."""

LEAST_MEMORY = 256 * 1024**2
"""Bytes; reckoned, not tried: kernel and start-up archive unpacked (some 100 MB), PID 1, a few containers."""


def at_least(least: int, fault: str, hint: str) -> Callable[[int], int]:
    """Gives sizes back that are large enough, and raises a ValueError with these words for others."""

    def enough(size: int) -> int:
        if size < least:
            raise ValueError(fault, hint)
        return size

    return enough


large_state = at_least(LEAST_STATE, "is too small for what a machine keeps", "at least 64m, such as 4g")
enough_memory = at_least(LEAST_MEMORY, "is too little memory to boot in", "at least 256m, and 512m with a desktop such as Xfce")


def log_or_none(value: object) -> object:
    """`none` as what it is."""
    return None if value == "none" else value


class Machine(Model):
    """What a machine boots. Only `name` and `desktops` are needed."""

    name: Name = Field(description="the machine's: small letters, digits and single hyphens")
    hostname: Name | None = Field(default=None, description="what the network knows it by, in place of its name")
    summary: str = Field(default="", description="a line for lists of machines")
    kernel: KernelUse = Field(
        default_factory=lambda: KernelUse(module="debian"),
        description="debian, cloud, a package (linux-image-…), a folder (./…) or an image",
    )
    init: Literal["engine", "systemd"] = Field(default="engine", description="PID 1: a small one of our own, or systemd")
    profile: Literal["virtual", "pc"] = Field(default="virtual", description="what it runs on: which drivers it carries")
    firmware: FirmwareUse | None = Field(
        default=None,
        description="what drivers give to devices, as far as the profile's drivers ask for it: `debian`, packages such as "
        "[firmware-amd-graphics], `kernel` (what lies beside that in lib/firmware) or `none`; left out, for `profile: pc` "
        "`debian` with Debian's kernels and `kernel` with others, else `none`",
    )
    desktops: Desktops = Field(description="those that it shows: names or paths of desktop files, such as [xfce]")
    display: Name = Field(default="xorg", description="of its desktops, on the card; `own`: what each desktop's file says")
    audio: Name = Field(default="alsa", description="of its desktops on the card; `own`: what each desktop's file says")
    services: Uses = Field(default_factory=list, description="of every desktop, beside those that its file names")
    network: Literal["dhcp", "none"] = Field(default="dhcp", description="how its network cards get their addresses")
    time: Servers = Field(
        default=["network"],
        description="who sets its clock: `network` (the time servers that DHCP names), servers that are named here, or `none`",
    )
    log: Annotated[Log | None, BeforeValidator(log_or_none)] = Field(
        default_factory=Log,
        description="how much is kept of what its containers, its PID 1 and its kernel say: {size: 64m, days: 30}, or `none`",
    )
    sticks: Literal["read-write", "read-only", "none"] = Field(
        default="read-write", description="memory sticks: whether desktops may write to them, or are not shown any"
    )
    login: Login | None = Field(default=None, description="on the console (Ctrl-Alt-F2); without it nobody can")
    gateway: Gateway = Field(
        default_factory=lambda: Gateway(module="web", port=6080, vnc_port=5900),
        description="where the machine is seen by browsers: the loopback unless `address:` says otherwise",
    )
    screen: Screen | None = Field(default=None, description="of all desktops, in place of what their files say")
    screens: list[Screen] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST_SCREENS,
        description="sizes of several, from left to right, in place of `screen:`",
    )
    locale: Annotated[str, AfterValidator(known_locale)] | None = None
    timezone: Annotated[str, AfterValidator(known_zone)] = Field(default="UTC", description="of all desktops")
    keyboard: Annotated[str, AfterValidator(known_keyboard)] | None = None
    state: Annotated[Size, AfterValidator(large_state)] = Field(
        default=4 * 1024**3, description="the size of the partition that keeps, such as 4g; it grows on larger disks"
    )
    trial: int = Field(
        default=300, ge=10, description="seconds in which the desktop of an upgrade must be ready, else the machine goes back"
    )
    memory: Annotated[Size, AfterValidator(enough_memory)] = Field(
        default=1024**3, description="that of the virtual machine in which `machine run` boots it, such as 1g"
    )
    made_of: MadeOf | None = Field(default=None, description="of one that was exported: what it was made of")

    @model_validator(mode="after")
    def _screens(self) -> Machine:
        if self.screens and self.screen:
            raise ValueError("takes `screen:`, one size, or `screens:`, a list of them")
        return self

    @property
    def host(self) -> str:
        """What it is called by itself and on the network."""
        return self.hostname or self.name

    @property
    def carried_firmware(self) -> list[str]:
        """`firmware:`, or what it means where it is left out: nothing is fetched for a kernel that was brought along."""
        if self.firmware is not None:
            return self.firmware
        if self.profile == "virtual":
            return [NONE]
        return [DEBIAN] if self.kernel.module or self.kernel.package else [KERNEL]

    @property
    def first_screen(self) -> Screen | None:
        """The size that desktops are told."""
        return self.screens[0] if self.screens else self.screen

    @property
    def beside(self) -> list[Screen]:
        """Sizes of the screens at the right of the first."""
        return self.screens[1:] if self.screens else []

    @model_validator(mode="after")
    def _asks_somebody(self) -> Machine:
        if self.network == "none" and self.time not in (["network"], ["none"]):
            raise ValueError("`time:` names servers, and with `network: none` nobody can be asked", "leave one of the two out")
        return self
