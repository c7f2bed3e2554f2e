"""From power-on to a drawn desktop: a machine of containers beside Debian as it is installed, on the same kernel."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from modulux.bench.settled import Settled, is_filled
from modulux.errors import NotReadyError
from modulux.machine.control import ask
from modulux.machine.emulator import Machine
from modulux.machine.qmp import Monitor
from modulux.machine.running import Running, cut_off, start, wait_ready
from modulux.rfb import Picture

EVERY = 0.2
"""Seconds between two looks at the screen."""

REST = 15.0
"""Seconds without a change after which a desktop is done: an emulated computer may pause for long."""

LONGEST = 400.0


@dataclass(frozen=True)
class Boot:
    """One boot. Seconds from power-on.

    drawn: the first picture of the desktop as it stayed. clients: the X server took clients (ours alone). used: bytes of
    memory that nothing else could have, once it had come to rest. said: what PID 1 said (ours alone).
    """

    drawn: float
    used: int
    clients: float | None = None
    said: Sequence[tuple[float, str]] = ()


@dataclass
class Watch:
    """What the screen of a virtual machine has shown since it was switched on, from the first picture with a desktop."""

    running: Running
    began: float
    seen: list[tuple[float, Picture]] = field(default_factory=list)
    heard: int = 0
    offset: float = LONGEST

    def until_rest(self) -> None:
        """Look until a desktop is there and has not changed for a while.

        Raises:
            NotReadyError: it did not come to that.
        """
        file = self.running.machine.sockets / "screen.ppm"
        with Monitor(self.running.machine.monitor) as qemu:
            while self.now() < LONGEST:
                looked = self.now()
                qemu.do("screendump", filename=str(file))
                self._note(looked, file)
                self._listen()
                if self.seen and self.now() - self.seen[-1][0] > REST:
                    return
                time.sleep(EVERY)
        raise NotReadyError(f"no desktop came to rest within {LONGEST:g} s", hint=f"what it showed: {file}")

    def now(self) -> float:
        """Seconds since power-on."""
        return time.monotonic() - self.began

    def drawn(self) -> float:
        """When the desktop was first seen as it stayed."""
        return next(at for at, picture in self.seen if _alike(picture, self.seen[-1][1]))

    def said(self) -> list[tuple[float, str]]:
        """What PID 1 said, and when: it counts from the start of the kernel, which the firmware comes before."""
        return [(at + self.offset, words) for at, words in self.running.said()]

    def _listen(self) -> None:
        said = self.running.said()
        if len(said) > self.heard:
            self.heard = len(said)
            self.offset = max(0.0, min(self.offset, self.now() - said[-1][0]))

    def _note(self, at: float, file: Path) -> None:
        with Image.open(file) as image:
            picture = Picture(image.width, image.height, image.convert("RGB").tobytes("raw", "BGRX"))
        if is_filled(picture) and not (self.seen and _alike(self.seen[-1][1], picture)):
            self.seen.append((at, picture))


def _alike(one: Picture, other: Picture) -> bool:
    """Whether nothing differs but what may (a clock, a cursor)."""
    if (one.width, one.height) != (other.width, other.height):
        return False
    return one.data == other.data or Settled.seen_in(one).shown_by(other)


def ours(machine: Machine, session: str) -> Boot:
    """Boot a machine of containers, once.

    Args:
        session: the container of its session, which is started once the X server takes clients.
    """
    with _booted("bench", machine) as watch:
        watch.until_rest()
        wait_ready(watch.running, LONGEST, lambda _at, _words: None)
        time.sleep(REST)
        memory = ask(machine.control, "act", session, "cat", "/proc/meminfo")
        said = watch.said()
        clients = next(at for at, words in said if words == f"started {session}")
        return Boot(watch.drawn(), _used("\n".join(memory)), clients, said)


def theirs(machine: Machine) -> Boot:
    """Boot Debian, once. It tells of its memory on the serial line."""
    with _booted("bench-debian", machine) as watch:
        watch.until_rest()
        time.sleep(REST)
        return Boot(watch.drawn(), _used(machine.serial.read_text(errors="replace")))


@contextlib.contextmanager
def _booted(name: str, machine: Machine) -> Iterator[Watch]:
    began = time.monotonic()
    running = start(name, machine)
    try:
        yield Watch(running, began)
    finally:
        cut_off(running)


def _used(meminfo: str) -> int:
    found = dict(re.findall(r"(MemTotal|MemAvailable): +(\d+) kB", meminfo))  # of several, the last
    return (int(found["MemTotal"]) - int(found["MemAvailable"])) * 1024
