"""Why a build failed, as far as it can be told."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from modulux.errors import BuildError

ENOUGH = 256 * 1024**2
"""Bytes that must be free where images are built; with less, a failed build was most likely a full disk."""

NO_SPACE = "No space left on device"
"""ENOSPC in the C locale, in which every build runs; tools that clean up after themselves leave no other trace of it."""


def failed(module: str, what: str, said: Sequence[str], folder: Path) -> BuildError:
    """The error for a build of `module` that ended badly, having `said` its lines, with its files in `folder`."""
    free = shutil.disk_usage(folder).free
    if free < ENOUGH or any(NO_SPACE in line for line in said):
        return BuildError(
            f"{module}: the disk is full ({free // 1024**2} MB left now); nothing of the build was kept",
            hint=f"make room at {folder.parents[1]} or where the engine keeps its data, then run the same command again",
        )
    return BuildError(f"{module}: {what}", hint="the end of its log:\n" + "\n".join(said[-12:]))
