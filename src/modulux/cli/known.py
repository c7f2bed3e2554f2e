"""The file of a desktop that does not run, for verbs that need to know what it is made from."""

from __future__ import annotations

from pathlib import Path

from modulux.cli.common import find_desktop, read_desktop
from modulux.errors import FileError
from modulux.model.desktop import Desktop


def known_file(name: str, file: Path | None) -> Desktop | None:
    """The desktop file that was given, or the ready-made one of that name."""
    if file is not None:
        return read_desktop(file)
    try:
        return read_desktop(find_desktop(name))
    except FileError:
        return None
