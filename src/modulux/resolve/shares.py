"""The host's folders that a desktop shares: they must be there before anything is made for it."""

from __future__ import annotations

import stat
from pathlib import Path

from modulux.errors import FileError
from modulux.model.desktop import Desktop
from modulux.resolve.files import line_of


def host_folder(host: str, home: str) -> str:
    """The folder that `host:` of a share means; `~` is the home of who asks."""
    return home + host[1:] if host.startswith("~") else host


def check_shares(desktop: Desktop, file: Path, home: str) -> None:
    """See that each folder of the host that the desktop shares is a folder.

    Args:
        file: where the desktop was read from, for errors.
        home: what `~` stands for.

    Raises:
        FileError: one is missing, cannot be reached, or is no folder (an engine's socket, a device, a file).
    """
    for name, share in desktop.shares.items():
        if share.host is None:
            continue
        folder = host_folder(share.host, home)
        try:
            if stat.S_ISDIR(Path(folder).stat().st_mode):
                continue
            message, hint = f"{folder} is not a folder", "a share is a folder of the host's, never a socket, a device or a file"
        except FileNotFoundError:
            message, hint = f"there is no folder {folder}", "make it, or leave out `host:` for a volume"
        except OSError as error:
            message, hint = f"{folder}: {error.strerror}", "share a folder that you can read"
        raise FileError(f"`shares.{name}`: {message}", file=str(file), line=line_of(file, "shares", name, "host"), hint=hint)
