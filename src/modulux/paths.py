"""Where things lie: what is shipped, what is the user's, what is temporary. Standard library only."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from modulux.errors import HostError

_PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """The folder `modules`, `desktops` or `machines`: in the checkout, or inside the installed package."""
    inside = _PACKAGE / "data" / name
    return inside if inside.is_dir() else _PACKAGE.parent.parent / name


def _xdg(variable: str, fallback: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / fallback) / "modulux"


def config_file() -> Path:
    """The user's settings."""
    return Path(os.environ.get("MODULUX_CONFIG") or _xdg("XDG_CONFIG_HOME", ".config") / "config.yaml")


def cache() -> Path:
    """For what can be made again."""
    return _xdg("XDG_CACHE_HOME", ".cache")


def data() -> Path:
    """For what is a person's own."""
    return _xdg("XDG_DATA_HOME", ".local/share")


def own_desktop(name: str) -> Path:
    """The folder of a desktop that came from elsewhere: `desktop.yaml`, and `modules/` where they are not the shipped ones."""
    return data() / "desktops" / name


@contextlib.contextmanager
def lock(name: str, waiting: Callable[[], None] | None = None) -> Iterator[int]:
    """Hold the lock `name`; the kernel lets go of it however this process ends. Gives its file descriptor.

    Args:
        waiting: called when another process holds it, before it is waited for.

    Raises:
        HostError: it cannot be made.
    """
    folder = cache() / "locks"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HostError(
            f"{folder / name}: {error.strerror}", hint="Modulux keeps its locks there; XDG_CACHE_HOME moves it"
        ) from None
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting:
                waiting()
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd
    finally:
        os.close(fd)
