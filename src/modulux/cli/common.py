"""What the verbs share: the flags that each takes, and what follows from them."""

from __future__ import annotations

import json as jsonlib
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from modulux.cli.render import renderer
from modulux.config import Loaded, load_settings
from modulux.engine.choose import choose, engine_name
from modulux.engine.commandline import CommandLineEngine
from modulux.errors import CancelledError, FileError, UsageError
from modulux.host.chroot import chrooted
from modulux.host.limits import engine_workarounds
from modulux.images.build import Sources
from modulux.model.desktop import Desktop
from modulux.model.units import NAME_PATTERN
from modulux.paths import own_desktop, shipped
from modulux.report import Report
from modulux.resolve.catalog import Catalog
from modulux.resolve.files import close_to, load
from modulux.resolve.plan import HostFacts
from modulux.resolve.shares import check_shares

WIDE = 4000
"""Columns where nobody looks: a table's rows stay whole, for who reads them line by line."""

stdout = Console(highlight=False, soft_wrap=True, emoji=False, width=None if sys.stdout.isatty() else WIDE)
stderr = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


NAME_LENGTH = 40
"""Characters, as in a desktop file."""


def _is_name(_: object, value: str | None) -> None:
    if value is not None and not (re.fullmatch(NAME_PATTERN, value) and len(value) <= NAME_LENGTH):
        raise UsageError(f"`{value}` is no desktop's name", hint="lower-case words joined by hyphens; modulux ps lists them")


DesktopName = Annotated[str, Parameter(validator=_is_name)]
"""A desktop's name, judged before anything is done with it: it becomes part of the names of files and containers."""

Yes = Annotated[bool, Parameter(alias="-y", help="do not ask")]
"""The flag of every verb that asks."""


@Parameter(name="*", group="Flags of every verb")
@dataclass
class Common:
    """Flags of every verb."""

    engine: Annotated[str | None, Parameter(help="podman or docker (MODULUX_ENGINE)")] = None
    modules: Annotated[list[Path], Parameter(help="a folder of your own modules (MODULUX_MODULES)")] = field(
        default_factory=list
    )
    json: Annotated[bool, Parameter(help="the result as JSON on stdout")] = False
    verbose: Annotated[bool, Parameter(alias="-v", help="show the output of long steps")] = False
    debug: Annotated[bool, Parameter(help="show every command and, on errors, the traceback")] = False

    @cached_property
    def loaded(self) -> Loaded:
        return load_settings({"engine": self.engine, "modules": self.modules})

    @cached_property
    def driver(self) -> CommandLineEngine:
        """The engine, told what this host does not allow."""
        name = engine_name(self.loaded.settings.engine)
        found = engine_workarounds(name)
        os.environ.update(found.environment)  # for every call of the engine, whoever makes it
        rootless = os.geteuid() != 0
        return choose(name, runtime=found.runtime, ulimits=found.ulimits, chrooted=chrooted(), rootless=rootless)

    @property
    def flags(self) -> str:
        """What a person has to type again to meet the same engine."""
        return f" --engine {self.engine}" if self.engine else ""

    @cached_property
    def catalog(self) -> Catalog:
        return Catalog(self.loaded.module_roots)

    def catalog_for(self, desktop: str) -> Catalog:
        """The catalog for a desktop of this name: one that came from elsewhere may have brought modules of its own."""
        brought = own_desktop(desktop) / "modules"
        return Catalog([brought, *self.loaded.module_roots]) if brought.is_dir() else self.catalog

    @cached_property
    def sources(self) -> Sources:
        return Sources(self.loaded.settings.mirror, self.loaded.settings.apt_proxy)

    @cached_property
    def report(self) -> Report:
        return renderer(verbose=self.verbose)

    def result(self, data: Any, show: Callable[[Console], None]) -> None:
        """Give the verb's result: `data` as JSON with --json, else what `show` prints."""
        if self.json:
            sys.stdout.write(jsonlib.dumps(data, indent=2, default=str) + "\n")
            sys.stdout.flush()
        else:
            show(stdout)


def is_path(word: str) -> bool:
    """Whether a person means a file by it, not the name of a desktop."""
    return "/" in word or word.endswith((".yaml", ".yml"))


def find_desktop(word: str) -> Path:
    """The desktop file that `word` means: a path, or the name of one that came from elsewhere or of a shipped one.

    Raises:
        FileError: there is none.
    """
    path = Path(word)
    if path.is_file():
        return path
    if is_path(word):
        raise FileError("no such file", file=word)
    return named_desktop(word)


def named_desktop(name: str) -> Path:
    """The file of the desktop of that name: of one that came from elsewhere, or of a shipped one.

    Raises:
        FileError: there is none.
    """
    for found in (own_desktop(name) / "desktop.yaml", shipped("desktops") / f"{name}.yaml"):
        if found.is_file():
            return found
    names = sorted(p.stem for p in shipped("desktops").glob("*.yaml"))
    hint = close_to(name, names) or f"ready-made are: {', '.join(names)}; or give a file"
    raise FileError(f"no desktop `{name}`", hint=hint)


def read_desktop(path: Path) -> Desktop:
    """The desktop that the file describes; the folders of the host that it shares are there."""
    desktop = load(path, Desktop)
    check_shares(desktop, path, str(Path.home()))
    return desktop


def host_facts() -> HostFacts:
    """What of this host a plan depends on."""
    zone = Path("/etc/timezone")
    link = Path("/etc/localtime")
    name = zone.read_text().strip() if zone.is_file() else ""
    if not name and link.is_symlink():
        name = str(link.readlink()).rpartition("zoneinfo/")[2]
    devices = Path("/dev")
    there = frozenset(str(path) for pattern in ("*", "*/*") for path in devices.glob(pattern))
    return HostFacts(timezone=name or "UTC", home=str(Path.home()), devices=there)


def confirm(question: str, yes: bool) -> None:
    """Ask, on the terminal; `yes` answers.

    Raises:
        CancelledError: the answer was no, or nobody is there to ask.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise CancelledError(f"{question} Nobody is there to ask", hint="--yes answers it")
    if not ask(question):
        raise CancelledError("nothing was done")


def ask(question: str) -> bool:
    """The answer of the person at the terminal; nobody there, or the end of the input (Ctrl-D), is a no."""
    if not sys.stdin.isatty():
        return False
    stderr.print(f"{question} [y/N] ", end="", markup=False)
    try:
        return input().strip().lower() in {"y", "yes"}
    except EOFError:
        stderr.print()
        return False


def counted(number: int, thing: str) -> str:
    """`1 network`, `2 networks`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def since(epoch: float) -> str:
    """How long ago, in one unit."""
    seconds = max(0, int(time.time() - epoch))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
