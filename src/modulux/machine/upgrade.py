"""A machine that runs → the machine of today in its other slot, tried at the next start, kept only if its desktop gets ready.

Nothing that runs is touched: an upgrade that is interrupted, by whatever, leaves the machine as it was, and goes on where it
was when it is begun anew. Who judges is the machine itself (`slot.c` of PID 1); from here it is only watched.
"""

from __future__ import annotations

import hashlib
import select
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modulux.errors import EngineError, HostError, NotReadyError
from modulux.machine.build import KERNEL, START, STORE, SYSTEM, link, noted
from modulux.machine.control import Door, ask, reached
from modulux.machine.disk import boot_programs
from modulux.machine.far import Reached
from modulux.machine.slots import other
from modulux.machine.tools import Tools
from modulux.report import Note, Report, step

PIECE = 256 * 1024
SILENCE = 600.0
"""Seconds in which a machine must have written what it was sent, and read it again."""

SETTLED = 60.0
"""Seconds between the desktop's being ready and the slot's being kept."""


@dataclass(frozen=True)
class Slots:
    """What a machine says of its slots: which one runs, what the boot loader thinks of each, room in the other one (bytes)."""

    running: str
    states: Mapping[str, str]
    room: Mapping[str, int]

    @property
    def free(self) -> str:
        """The slot that does not run."""
        return other(self.running)


@dataclass(frozen=True)
class Outcome:
    """How an upgrade or a way back ended: the slot that was tried, the one that runs, and whether that is the same for good."""

    tried: str
    running: str
    kept: bool


def read_slots(lines: list[str]) -> Slots:
    """What PID 1 answers to `slots`.

    Raises:
        EngineError: that is something else.
    """
    rows = [line.split("\t") for line in lines]
    states = {row[1]: row[3] for row in rows if row[0] == "slot" and len(row) == 4}
    running = [row[1] for row in rows if row[0] == "slot" and "running" in row]
    room = {row[1]: int(row[2]) for row in rows if row[0] == "room"}
    if len(running) != 1 or len(states) != 2 or len(room) != 3:
        raise EngineError("the machine does not say which slots it has", hint="it was built by another version of Modulux")
    return Slots(running[0], states, room)


def slots(control: Door) -> Slots:
    """Which slots the machine has.

    Raises:
        EngineError: it was not started from a disk.
    """
    return read_slots(ask(control, "slots"))


def check_room(found: Slots, sizes: Mapping[str, int]) -> None:
    """Whether all parts fit into the other slot.

    Raises:
        HostError: one does not.
    """
    for part, size in sizes.items():
        if size > found.room[part]:
            raise HostError(
                f"the {part} has {size / 1e6:.0f} MB, and slot {found.free} has room for {found.room[part] / 1e6:.0f} MB",
                hint="leave out modules, or install the machine anew from a disk image of today",
            )


def upgrade(running: Reached, built: Path, tools: Tools, report: Report) -> Outcome:
    """Take a machine that runs to the one in the folder `built`; it is started anew.

    Raises:
        HostError: the other slot is too small.
        NotReadyError: it does not answer any more.
    """
    control = running.control
    found = slots(control)
    with tempfile.TemporaryDirectory(dir=built, prefix=".boot.") as folder:
        work = Path(folder)
        work.chmod(0o755)
        for name in (KERNEL, START):
            link(built / name, work / name)
        with step(report, "boot", f"making the boot program of slot {found.free}"):
            program = boot_programs(work, noted(built), [found.free], tools)[0]
        files = {"system": built / SYSTEM, "store": built / STORE, "boot": program}
        check_room(found, {part: path.stat().st_size for part, path in files.items()})
        ask(control, "clear")
        for part, path in files.items():
            size = path.stat().st_size
            with step(report, part, f"sending the {part}, {size / 1e6:.0f} MB"):
                sent = send(control, part, path)
            if sent < size:
                report(Note(f"of the {part} {(size - sent) / 1e6:.1f} MB were there from an earlier try"))
        ask(control, "place")
        shutil.rmtree(work, ignore_errors=True)
    return restart(running, found, report, noted(built))


def send(control: Door, part: str, path: Path) -> int:
    """Send a part to the other slot, from where an earlier try ended; how many bytes that was.

    Raises:
        EngineError: the machine refused it.
        NotReadyError: the line broke; beginning anew goes on from there.
    """
    return send_to(control, path, lambda digest, size: ("receive", part, str(size), digest))


def send_to(control: Door, path: Path, words: Callable[[str, int], Sequence[str]]) -> int:
    """Send a file by a command that answers `at OFFSET`; how many bytes were sent.

    Args:
        words: the command, from the file's SHA-256 and its size in bytes.

    Raises:
        EngineError, NotReadyError: as `send`.
    """
    size = path.stat().st_size
    with path.open("rb") as file, reached(control, SILENCE) as line:
        sum = hashlib.file_digest(file, "sha256").hexdigest()
        try:
            line.sendall(("\t".join(words(sum, size)) + "\n").encode())
            answers = line.makefile("rb")
            offset = int(_answer(answers.readline(), "at"))
            file.seek(offset)
            while piece := file.read(PIECE):
                if select.select([line], [], [], 0)[0]:
                    break  # a refusal
                line.sendall(piece)
            _answer(answers.readline(), "ok")
        except OSError as error:
            raise NotReadyError(
                f"the machine does not take {path.name}: {error}", hint="begin anew: it goes on from there"
            ) from None
    return size - offset


def _answer(line: bytes, word: str) -> str:
    text = line.decode(errors="replace").strip()
    if not text:
        raise NotReadyError("the machine ended the line", hint="begin anew: it goes on from there")
    if text.partition("\t")[0] != word:
        raise EngineError(f"the machine: {text.removeprefix('error').strip()}")
    return text.partition("\t")[2]


def roll_back(running: Reached, report: Report) -> Outcome:
    """Start a machine that runs from its other slot.

    Raises:
        EngineError: there is nothing in it, or what failed.
    """
    found = slots(running.control)
    ask(running.control, "rollback")
    return restart(running, found, report)


def restart(running: Reached, before: Slots, report: Report, tried: Mapping[str, Any] | None = None) -> Outcome:
    """Start the machine anew and wait until it has judged the slot that it tries.

    Args:
        tried: what the build noted of the machine in that slot, where that is known.
    """
    here, ready = running.facts(), running.restarted()
    with step(report, "restart", f"starting `{running.name}` from slot {before.free}"):
        ask(running.control, "reboot")
        return judged(running, ready, before.free, time.monotonic() + patience(here if tried is None else tried, here))


def patience(tried: Mapping[str, Any], here: Mapping[str, Any]) -> float:
    """Seconds in which there must be a verdict: the slot that is tried has its own trial, then the one of before gets ready.

    Args:
        tried, here: what the builds of both noted.
    """
    return sum(int(record.get("trial", 300)) + SILENCE for record in (tried, here))


def judged(
    running: Reached, ready: Callable[[], bool], tried: str, deadline: float, pause: Callable[[float], None] = time.sleep
) -> Outcome:
    """Wait for the verdict on the slot `tried`, from what the machine says.

    Args:
        ready: tells whether its desktop has got ready since it was started anew.

    Raises:
        NotReadyError: there was none in time, or the machine went off.
    """
    settled = None
    while time.monotonic() < deadline:
        if ready():
            settled = settled or time.monotonic() + SETTLED
            found = slots(running.control)
            if found.running != tried or found.states[tried] == "kept" or time.monotonic() > settled:
                return Outcome(tried, found.running, found.running == tried and found.states[tried] == "kept")
        pause(0.5)
    raise NotReadyError("the machine did not get ready in either slot", hint=f"modulux machine log {running.name}")
