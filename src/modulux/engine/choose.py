"""Which engine: the one that was asked for, or the first that is there."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from modulux.engine.commandline import CommandLineEngine
from modulux.engine.docker import Docker
from modulux.engine.podman import Podman
from modulux.errors import UsageError
from modulux.resolve.files import close_to

ENGINES: dict[str, type[CommandLineEngine]] = {"podman": Podman, "docker": Docker}


def engine_name(asked: str | None) -> str:
    """`asked`, or Podman when it is there or nothing is (it is what gets installed), else Docker.

    Raises:
        UsageError: there is no engine of that name.
    """
    if asked is None:
        return next((name for name in ENGINES if shutil.which(name)), "podman")
    if asked not in ENGINES:
        raise UsageError(f"unknown engine `{asked}`", hint=close_to(asked, ENGINES) or f"there are: {', '.join(ENGINES)}")
    return asked


def choose(
    asked: str | None, *, runtime: str | None, ulimits: Mapping[str, int], chrooted: bool = False, rootless: bool = False
) -> CommandLineEngine:
    """The engine, told what this host does not allow."""
    return ENGINES[engine_name(asked)](runtime=runtime, ulimits=ulimits, chrooted=chrooted, rootless=rootless)
