"""Let containers' processes stand still and go on: a script of its own, started before that is needed and told when.

    hold.py PID… -- TARGET…

PID is each container's first process, TARGET a folder as its processes see it. On stdin come `begin`, `freeze` and `thaw`, each
answered by the same word; the end of stdin is a thaw, so that whatever becomes of who asked, they go on again.

By the kernel's freezer where this user may write it, else by signals. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

SYSTEM = Path("/sys/fs/cgroup")

PATIENCE = 5.0
"""Seconds that the kernel has to stop everything."""

SHARED_AND_WRITTEN = ("s", "w")
"""What a line of /proc/PID/maps says of a mapping that is shared and may be written."""


class Freezer:
    """A container's control group, of either version: `frozen` and `thawed` are what is written to `file`."""

    def __init__(self, file: Path, frozen: str, thawed: str, events: Path | None) -> None:
        self.file = file
        self.frozen = frozen
        self.thawed = thawed
        self.events = events

    def freeze(self) -> None:
        deadline = time.monotonic() + PATIENCE
        self.file.write_text(self.frozen)
        while not self.stands():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.file}: not frozen within {PATIENCE:g} s")
            time.sleep(0.001)
            self.file.write_text(self.frozen)  # the first version wants to be told again

    def thaw(self) -> None:
        with contextlib.suppress(OSError):  # the container has gone
            self.file.write_text(self.thawed)

    def stands(self) -> bool:
        if self.events is not None:
            return "frozen 1" in self.events.read_text()
        return self.file.read_text().strip() == self.frozen


def freezer(pid: int) -> Freezer | None:
    """The freezer of the control group of `pid`, if this user may write it and we are not in it ourselves."""
    groups, ours = groups_of(str(pid)), groups_of("self")
    old = SYSTEM / "freezer" / groups.get("freezer", "").lstrip("/")
    new = SYSTEM / groups.get("", "").lstrip("/")
    if apart("freezer", groups, ours) and os.access(old / "freezer.state", os.W_OK):
        return Freezer(old / "freezer.state", "FROZEN", "THAWED", None)
    if apart("", groups, ours) and os.access(new / "cgroup.freeze", os.W_OK):
        return Freezer(new / "cgroup.freeze", "1", "0", new / "cgroup.events")
    return None


def groups_of(process: str) -> dict[str, str]:
    """The control groups of a process, by their controllers; version 2 has no name."""
    try:
        lines = (Path("/proc") / process / "cgroup").read_text().splitlines()
    except OSError:
        return {}
    return {key: path for _, key, path in (line.split(":", 2) for line in lines)}


def apart(key: str, groups: Mapping[str, str], ours: Mapping[str, str]) -> bool:
    """Whether a process has a group that holds us not: engines without control groups leave containers in ours."""
    group = groups.get(key, "/")
    return group != "/" and not f"{ours.get(key, '/')}/".startswith(f"{group}/")


class Signals:
    """All processes in some process namespaces. SIGSTOP reaches parents before their children, SIGCONT children before parents:

    a shell that saw its child stop would say so, and think it had been put into the background.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        self.spaces = {space(pid) for pid in pids} - {""}
        self.stopped: list[int] = []

    def freeze(self) -> None:
        while fresh := [pid for pid in processes(self.spaces) if pid not in self.stopped]:
            for pid in fresh:
                self.stopped.append(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in reversed(self.stopped or processes(self.spaces)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self.stopped.clear()


def space(pid: int) -> str:
    """The process namespace of a process."""
    try:
        return str((Path("/proc") / str(pid) / "ns/pid").readlink())
    except OSError:
        return ""


def processes(spaces: set[str]) -> list[int]:
    """All processes of those process namespaces, in the order in which they were started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and space(int(entry.name)) in spaces:
            with contextlib.suppress(OSError):
                started = int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[19])
                found.append((started, int(entry.name)))
    return [pid for _, pid in sorted(found)]


def touch_mapped(pids: Iterable[int], targets: Sequence[str]) -> int:
    """Renew the change time of files that a process has mapped to write: the kernel does so only now and then.

    Who compares times to tell what has changed would else keep an old content of them.
    """
    touched: set[tuple[int, int]] = set()
    for pid in processes({space(pid) for pid in pids} - {""}):
        for path in mapped(Path("/proc") / str(pid), targets):
            with contextlib.suppress(OSError):
                found = path.stat()
                if (found.st_dev, found.st_ino) not in touched:
                    path.chmod(stat.S_IMODE(found.st_mode))
                    touched.add((found.st_dev, found.st_ino))
    return len(touched)


def mapped(process: Path, targets: Sequence[str]) -> Iterator[Path]:
    """The files below `targets` that the process has mapped to write, as they can be reached from here."""
    try:
        lines = (process / "maps").read_text(errors="surrogateescape").split("\n")
    except OSError:  # it has ended
        return
    for line in lines:
        words = line.split(maxsplit=5)
        if len(words) == 6 and all(letter in words[1] for letter in SHARED_AND_WRITTEN):
            name = words[5].replace("\\012", "\n")
            if any(name.startswith(f"{target}/") for target in targets):
                yield process / "root" / name.lstrip("/")


def main(words: Sequence[str]) -> None:
    """Obey."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    split = words.index("--")
    pids, targets = [int(word) for word in words[:split]], words[split + 1 :]
    freezers = {pid: freezer(pid) for pid in pids}
    ways: list[Freezer | Signals] = [way for way in freezers.values() if way is not None]
    ways.append(Signals(pid for pid, way in freezers.items() if way is None))
    try:
        obey(ways, lambda: touch_mapped(pids, targets))
    finally:
        for way in ways:
            way.thaw()


def obey(ways: Sequence[Freezer | Signals], still: Callable[[], object]) -> None:
    """Do what stdin says; `still` is called when all stand still."""
    for line in sys.stdin.buffer:
        if line == b"freeze\n":
            for way in ways:
                way.freeze()
            still()
        else:  # what was left standing by one that was killed goes on at `begin`
            for way in ways:
                way.thaw()
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
