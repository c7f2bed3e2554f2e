"""A person's own computer with TigerVNC's viewer: an X server in memory, the viewer on it, and its clipboard."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Desk:
    """A screen with a viewer in it, which has the focus as if one had clicked into it."""

    def __init__(self, display: str, log: Path) -> None:
        self.display = display
        self.log = log

    def _environment(self, **more: str) -> dict[str, str]:
        return {**os.environ, "DISPLAY": self.display, **more}

    @contextlib.contextmanager
    def viewer(self, address: str, password: str, *options: str) -> Iterator[None]:
        """The viewer, connected; `address` is HOST::PORT."""
        command = ["xtigervncviewer", address, "-SecurityTypes=VncAuth", "-Log=*:stderr:100", *options]
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                command, env=self._environment(VNC_PASSWORD=password, LC_ALL="C.UTF-8"), stdout=log, stderr=log
            )
        try:
            self._focus()
            yield
            assert process.poll() is None, self.said()
        finally:
            process.terminate()
            process.wait(10)

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def _focus(self) -> None:
        """Give the viewer's largest window the keyboard, once it is there; nobody else does it, as there is no window manager."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            search = ["xdotool", "search", "--onlyvisible", "--name", "TigerVNC"]
            found = subprocess.run(search, env=self._environment(), capture_output=True, text=True, check=False).stdout.split()
            if found:
                time.sleep(1)  # it has drawn itself, and listens
                subprocess.run(["xdotool", "windowfocus", "--sync", found[-1]], env=self._environment(), check=True, timeout=20)
                return
            time.sleep(0.2)
        raise AssertionError(f"the viewer shows nothing: {self.said()}")

    def copy(self, text: str) -> None:
        """What is copied on this computer."""
        xclip = ["xclip", "-selection", "clipboard", "-in"]
        null = subprocess.DEVNULL  # it stays in the background, and must not hold a pipe
        subprocess.run(xclip, env=self._environment(), input=text.encode(), stdout=null, stderr=null, check=True, timeout=20)

    def paste(self) -> str | None:
        """What is pasted on this computer; None while nobody owns the clipboard."""
        xclip = ["timeout", "20", "xclip", "-selection", "clipboard", "-out", "-target", "UTF8_STRING"]
        done = subprocess.run(xclip, env=self._environment(), capture_output=True, check=False)
        return done.stdout.decode() if done.returncode == 0 else None


@contextlib.contextmanager
def desk(folder: Path) -> Iterator[Desk]:
    """A screen of its own, gone afterwards."""
    reading, writing = os.pipe()
    command: list[Any] = ["Xvfb", "-displayfd", writing, "-screen", "0", "1400x1000x24", "-nolisten", "tcp"]
    with (folder / "xvfb.log").open("wb") as log:
        server = subprocess.Popen([str(word) for word in command], pass_fds=[writing], stdout=log, stderr=log)
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            number = told.readline().strip()
        yield Desk(f":{number}", folder / "viewer.log")
    finally:
        server.terminate()
        server.wait(10)
