"""What the verbs that build and start need of the host."""

from __future__ import annotations

import sys

from modulux.cli.common import Common, stderr
from modulux.host.packages import ensure_packages


def prepare_host(common: Common, yes: bool) -> None:
    """Name the host packages that the engine and the builds need and that are missing; install them after a yes."""
    ensure_packages(common.driver.name, yes, _ask)


def _ask(question: str) -> bool:
    if not sys.stdin.isatty():
        return False
    stderr.print(f"{question} [y/N] ", end="", markup=False)
    return input().strip().lower() in {"y", "yes"}
