"""The desktop's screens, and the viewers that carry each of them: found on disk whenever somebody asks.

A viewer's socket is `SCREEN.VIEWER.sock`. An empty file `SCREEN.VIEWER.view-only` beside it says that it only shows the
picture; `SCREEN.VIEWER.clipboard`, that VNC clients should have the viewer's own clipboard rather than the screen's. Looking
again each time costs microseconds, and viewers can come and go while the gateway runs.
"""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from gateway.relay import CHUNK
from gateway.settings import Settings

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_END = ".sock"


class ViewerError(Exception):
    """The viewer cannot be reached, or does not speak RFB with security type None."""


@dataclass(frozen=True)
class Viewer:
    """One way to see a screen."""

    screen: str
    name: str
    socket: Path
    view_only: bool
    own_clipboard: bool


class Screens:
    """What can be seen, and where its size and its clipboard can be asked for."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def viewers(self) -> list[Viewer]:
        """All of them: the first screen's before others', full ones before view-only ones."""
        try:
            names = set(os.listdir(self.settings.viewers))  # noqa: PTH208  faster, and names are all that is needed
        except OSError:
            return []
        found = []
        for name in names:
            screen, dot, viewer = name.removesuffix(_END).partition(".")
            if dot and name.endswith(_END):
                only, own = (f"{screen}.{viewer}.{mark}" in names for mark in ("view-only", "clipboard"))
                found.append(Viewer(screen, viewer, self.settings.viewers / name, only, own))
        return sorted(found, key=lambda v: (v.screen != self.settings.first, v.screen, v.view_only, v.name))

    def answering(self) -> bool:
        """Whether any viewer speaks RFB now."""
        return any(_answers(one.socket) for one in self.viewers())

    async def connect(self, screen: str = "", viewer: str = "") -> Connection:
        """Connect to a viewer; the caller closes the writer. Raises ViewerError."""
        return (await self.reach(screen, viewer))[1]

    async def reach(self, screen: str = "", viewer: str = "") -> tuple[Viewer, Connection]:
        """Connect, and tell to which viewer. Names are looked up, never made into paths.

        Raises:
            ViewerError: there is none, or none answers.
        """
        there = self.viewers()
        wanted = screen or self.settings.first or (there[0].screen if there else "")
        reason = "there is none"
        for one in there:
            if one.screen == wanted and viewer in {"", one.name}:
                try:
                    return one, await asyncio.open_unix_connection(one.socket, limit=CHUNK)
                except OSError as error:  # it was taken away and its socket is left, or it is just being started again
                    reason = error.strerror or str(error)
        raise ViewerError(f"the viewer does not answer: {reason}")

    async def clipboard(self, screen: str) -> Connection:
        """Connect to the clipboard of `screen`; the caller closes the writer. Raises ViewerError, OSError."""
        path = self.beside(self.settings.clipboard, screen)
        if path is None:
            raise ViewerError("this screen has no clipboard of its own")
        return await asyncio.open_unix_connection(path, limit=CHUNK)

    def pages(self) -> list[str]:
        """Viewers with a web page of their own, as `SCREEN.VIEWER`, the first screen's first."""
        try:
            names = os.listdir(self.settings.own_pages)  # noqa: PTH208
        except OSError:
            return []
        found = [name.removesuffix(_END) for name in names if name.endswith(_END)]
        return sorted(found, key=lambda name: (name.partition(".")[0] != self.settings.first, name))

    def page(self, name: str) -> Path | None:
        """The socket of such a viewer; names are looked up, never made into paths."""
        return self.settings.own_pages / f"{name}{_END}" if name in self.pages() else None

    def listing(self) -> dict[str, object]:
        """The screens, the first one first, with what can be done with each; for the page."""
        there = self.viewers()
        if len(there) > 1:
            there = [one for one in there if _answers(one.socket)]
        screens: dict[str, list[dict[str, object]]] = {}
        for one in there:
            screens.setdefault(one.screen, []).append({"name": one.name, "view_only": one.view_only})
        return {
            "screens": [
                {
                    "name": name,
                    "viewers": viewers,
                    "resize": self.beside(self.settings.resize, name) is not None,
                    "clipboard": self.beside(self.settings.clipboard, name) is not None,
                }
                for name, viewers in screens.items()
            ],
            "pages": self.pages(),
            "sound": self.settings.sound.exists(),
        }

    def beside(self, directory: Path, screen: str) -> Path | None:
        """The socket of `screen` (the first one when it is empty) in `directory`; None when there is none."""
        try:
            names = sorted(os.listdir(directory))  # noqa: PTH208
        except OSError:
            return None
        wanted = f"{screen or self.settings.first}{_END}"
        if wanted == _END and names:
            wanted = names[0]
        return directory / wanted if wanted in names else None


def _answers(path: Path) -> bool:
    """Whether anybody listens there: a viewer that was taken away can leave its socket. Unix sockets never make one wait."""
    with socket.socket(socket.AF_UNIX) as knock:
        knock.setblocking(False)
        try:
            knock.connect(str(path))
        except BlockingIOError:  # its queue is full, so it is there
            return True
        except OSError:
            return False
    return True
