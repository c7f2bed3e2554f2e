"""What a desktop is made from, for verbs that need to know it: from the engine's record, or from a file."""

from __future__ import annotations

import re
from pathlib import Path

from modulux.cli.common import Common, find_desktop, read_desktop
from modulux.desktop.state import look
from modulux.errors import FileError
from modulux.model.desktop import Desktop
from modulux.model.units import NAME_PATTERN
from modulux.resolve.files import validate


def known_file(name: str, file: Path | None) -> Desktop | None:
    """The desktop file that was given, or the ready-made one of that name."""
    if file is not None:
        return read_desktop(file)
    try:
        return read_desktop(find_desktop(name))
    except FileError:
        return None


def recorded(common: Common, word: str) -> Desktop | None:
    """What the desktop of this name was last made from, if there is anything of it, be it only its data."""
    if not re.fullmatch(NAME_PATTERN, word):
        return None
    found = look(common.driver, word).desktop_file
    return validate(found, Desktop, f"the desktop `{word}`") if found else None
