"""The machine: its desktops as they were noted when it was built, and what PID 1 does for who keeps their data."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from said import ENGINE, HOST, NOT_FOUND, RefusedError, tell

CONTROL = "/keep/machine/control"
MADE = Path("/keep/made")
DESKTOPS = Path("/keep/desktops")
STAGING = Path("/keep/staging")
STALE = Path("/tmp/stale")
"""Is there once volumes were replaced, and names containers that still have before them what was, as this one has. Once its
command has said what came of it, who serves has all of them started anew."""

LAID, LAYING, BEFORE = STAGING / "laid", STAGING / "laying", STAGING / "before"
PLACING, PLACED = STAGING / "placing", STAGING / "placed"
ENDED = ("ended",)
PATIENCE = 120.0
"""Seconds that containers have to end; PID 1 kills them sooner."""

READY = 600.0
"""Seconds that a desktop has to get ready again."""

SPARE = 16 * 1024**2


@dataclass(frozen=True)
class Desktop:
    """A desktop of this machine."""

    name: str

    @cached_property
    def noted(self) -> dict[str, Any]:
        return dict(json.loads((self.made / "desktop.json").read_text()))

    @property
    def made(self) -> Path:
        """What was noted of it."""
        return MADE / self.name

    @property
    def folder(self) -> Path:
        """As it lies in a snapshot: `desktop/` for what is said of it, `volumes/` its data as they are now."""
        return DESKTOPS / self.name

    @property
    def parts(self) -> list[str]:
        """Its volumes, by their names without the desktop's."""
        return [str(volume["name"]) for volume in self.noted["volumes"]]

    def volume(self, part: str) -> str:
        """What the machine calls a volume."""
        return f"modulux.{self.name}.{part}"


def desktops() -> list[str]:
    """Names of the machine's desktops."""
    return sorted(path.name for path in MADE.iterdir()) if MADE.is_dir() else []


def desktop(name: str) -> Desktop:
    """The desktop of that name.

    Raises:
        RefusedError: this machine has none such.
    """
    if name not in desktops():
        raise RefusedError(f"this machine has no desktop `{name}`", NOT_FOUND, f"it has: {', '.join(desktops())}")
    return Desktop(name)


def form() -> dict[str, Any]:
    """How Modulux writes an export: names of its media types and annotations, GNU tar's command lines, and bytes of a part."""
    return dict(desktop(desktops()[0]).noted["form"])


class Machine:
    """The socket at which PID 1 obeys; what stands still goes on when it is closed, however that comes."""

    def __init__(self) -> None:
        self.line = socket.socket(socket.AF_UNIX)
        self.line.settimeout(60)
        try:
            self.line.connect(CONTROL)
        except OSError as error:
            raise RefusedError(f"the machine does not answer: {error}", ENGINE) from None
        self.answers = self.line.makefile("r", errors="replace")

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        self.answers.close()
        self.line.close()

    def ask(self, *words: str) -> list[str]:
        """The lines of the answer.

        Raises:
            RefusedError: it refused.
        """
        self.line.sendall("\t".join(words).encode() + b"\n")
        lines: list[str] = []
        for line in self.answers:
            text = line.rstrip("\n")
            if text == "ok":
                return lines
            if text.startswith("error"):
                raise RefusedError(f"the machine: {text.removeprefix('error').strip()}", ENGINE)
            lines.append(text)
        raise RefusedError("the machine ended the line", ENGINE)

    def status(self) -> dict[str, tuple[str, bool]]:
        """Each container's phase, and whether it is ready."""
        rows = [line.split("\t") for line in self.ask("status")]
        return {row[0]: (row[1], row[2] == "ready") for row in rows if row[0] != "machine"}

    @contextlib.contextmanager
    def still(self, containers: Sequence[str]) -> Iterator[list[float]]:
        """They stand still for as long as the context; what is given holds, afterwards, for how many seconds."""
        seconds: list[float] = []
        began = time.monotonic()
        self.ask("still", *containers)
        try:
            yield seconds
        finally:
            self.ask("go")
            seconds.append(time.monotonic() - began)

    def stop(self, containers: Sequence[str]) -> None:
        """Stop them and wait for it.

        Raises:
            RefusedError: one does not end.
        """
        for name in containers:
            self.ask("stop", name)
        self._wait(containers, lambda phase, _: phase in ENDED, PATIENCE, "does not end")

    def start(self, containers: Sequence[str]) -> None:
        """Start them, each once it can be."""
        for name in containers:
            self.ask("start", name)

    def wait_ready(self, containers: Sequence[str]) -> None:
        """Wait until they are ready. Not told to start a second time: who is just being started would be started anew.

        Raises:
            RefusedError: one does not get ready.
        """
        self._wait(containers, lambda _, ready: ready, READY, "is not ready")

    def _wait(self, containers: Sequence[str], holds, seconds: float, lacks: str) -> None:
        deadline = time.monotonic() + seconds
        while left := [name for name, state in self.status().items() if name in containers and not holds(*state)]:
            if time.monotonic() > deadline:
                raise RefusedError(f"{left[0]} {lacks} after {seconds:.0f} s", ENGINE)
            time.sleep(0.2)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One at a time backs up, restores, exports and imports."""
    with (STAGING / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("another command is under way; waiting")
            fcntl.flock(file, fcntl.LOCK_EX)
        if STALE.exists():
            raise RefusedError("volumes have just been replaced", ENGINE, "the same command again, in a moment")
        yield


def room(size: int) -> None:
    """See that `size` bytes fit where volumes lie.

    Raises:
        RefusedError: they do not.
    """
    free = shutil.disk_usage(STAGING).free
    if size + SPARE > free:
        raise RefusedError(f"{size // 1024**2} MB are needed on the machine's disk, and {free // 1024**2} MB are free", HOST)


def lay() -> Path:
    """An empty folder for what is to take others' place: volumes, by what the machine calls them, or files."""
    for left in (LAYING, BEFORE, PLACED):
        clear(left)
    LAYING.mkdir()
    return LAYING


def clear(folder: Path) -> None:
    """Remove a folder and what is in it, whatever modes that has."""
    if not folder.is_dir() or folder.is_symlink():
        return

    def again(what, path: str, _: object) -> None:
        os.chmod(os.path.dirname(path), 0o700)  # noqa: PTH101, PTH120
        with contextlib.suppress(OSError):
            what(path)

    for path, names, _ in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                os.chmod(os.path.join(path, name), 0o700, follow_symlinks=False)  # noqa: PTH101, PTH118
    shutil.rmtree(folder, onerror=again)


def replace(one: Desktop, *, start: bool = True) -> None:
    """Let what lies in LAYING take the place of the desktop's volumes: all of it or nothing, whatever happens.

    Once LAYING is called LAID it is decided: PID 1 completes it, at the next start of the machine if need be.

    Raises:
        RefusedError: the desktop does not stop, or does not get ready again.
    """
    os.sync()
    containers = one.noted["containers"]
    with Machine() as machine:
        try:
            tell(f"stopping {one.name}")
            machine.stop(containers)
            LAYING.rename(LAID)
            _be_sure(STAGING)
            STALE.write_text("\n".join(one.noted["beside"]))
            machine.ask("take")
        finally:
            if not LAID.exists():  # else not all is in its place
                tell(f"starting {one.name}")
                machine.start(containers)
        if start:
            machine.wait_ready(containers)
    clear(BEFORE)


def place_laid() -> None:
    """Let the files that lie in LAYING take their places: all or none. Once it is called PLACING it is decided.

    Raises:
        RefusedError: one cannot, and all are as they were.
    """
    clear(LAYING / "volumes")
    os.sync()
    with Machine() as machine:
        LAYING.rename(PLACING)
        _be_sure(STAGING)
        try:
            machine.ask("place")
        except RefusedError as error:
            raise RefusedError(f"{error}; all is as it was", ENGINE, "something has come in the way; run it again") from None
    clear(PLACED)


def _be_sure(folder: Path) -> None:
    """That what it holds is on the disk."""
    file = os.open(folder, os.O_RDONLY)
    os.fsync(file)
    os.close(file)


def settle() -> None:
    """Complete what a command that was killed had decided, and remove what it had not."""
    if LAID.is_dir():
        names = {path.name.split(".")[1] for path in LAID.iterdir() if path.name.startswith("modulux.")}
        noted = [Desktop(name).noted for name in names & set(desktops())]
        containers = [c for said in noted for c in said["containers"]]
        with Machine() as machine:
            machine.stop(containers)
            try:
                STALE.write_text("\n".join(c for said in noted for c in said["beside"]))
                machine.ask("take")
            finally:
                machine.start(containers)
    if PLACING.is_dir():
        with Machine() as machine, contextlib.suppress(RefusedError):  # PID 1 has said why
            machine.ask("place")
    for left in (LAYING, BEFORE, PLACING, PLACED, STAGING / "export", STAGING / "import"):
        clear(left)


def begin_anew() -> None:
    """Have those that see old volumes started again, this very container last; services of a machine go by its name."""
    names = STALE.read_text().split()
    with Machine() as machine:
        for name in (*names, f"modulux.{os.uname().nodename}.{os.environ['MODULUX_NAME']}"):
            machine.ask("restart", name)
