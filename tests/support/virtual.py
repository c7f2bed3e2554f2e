"""A machine of containers in QEMU, as `modulux machine run` boots it, and what a person at its screen and keyboard does."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from tests.support.cli import Cli

from modulux.machine.control import ask
from modulux.machine.qmp import Monitor
from modulux.machine.running import Running, named

PATIENCE = 600.0
"""Seconds: without KVM on a busy computer a machine takes its time."""

SHIFTED = {">": "dot", "~": "grave_accent", "_": "minus", "|": "backslash", '"': "apostrophe"}
PLAIN = {" ": "spc", "/": "slash", ".": "dot", "-": "minus", "=": "equal", "\n": "ret", "'": "apostrophe", ";": "semicolon"}


@dataclass
class Virtual:
    """A machine that runs."""

    cli: Cli
    name: str
    facts: dict[str, Any]
    is_off: bool = False
    """A test has switched it off."""

    @property
    def running(self) -> Running:
        return named(self.name)

    def ask(self, *words: str) -> list[str]:
        """What PID 1 answers."""
        return ask(self.running.machine.control, *words, timeout=PATIENCE)

    def inside(self, container: str, script: str) -> str:
        """What a script prints in a container, as its user."""
        return "\n".join(self.ask("act", container, "sh", "-c", script))

    def picture(self, path: Path) -> Image.Image:
        """What the graphics card shows."""
        with Monitor(self.running.machine.monitor) as qemu:
            qemu.picture(path)
        return Image.open(path).convert("RGB")

    def type(self, text: str) -> None:
        """Press the keys of a US keyboard, one after the other."""
        with Monitor(self.running.machine.monitor) as qemu:
            for letter in text:
                shift = letter in SHIFTED or letter.isupper()
                key = SHIFTED.get(letter) or PLAIN.get(letter) or letter.lower()
                qemu.press(*(["shift", key] if shift else [key]))
                time.sleep(0.05)

    def click(self, x: float, y: float) -> None:
        """With the tablet; 0 is left or top, 1 is right or bottom."""
        with Monitor(self.running.machine.monitor) as qemu:
            qemu.point(x, y)
            time.sleep(0.3)
            qemu.click()

    def storage(self, *words: str) -> dict[str, Any]:
        """What `machine storage` says of its disks, or of what was asked for by these words."""
        return dict(json.loads(self.cli.run("machine", "storage", self.name, *words, "--json", timeout=PATIENCE).stdout))

    def serial(self) -> str:
        return self.running.machine.serial.read_text(errors="replace")


@contextlib.contextmanager
def booted(cli: Cli, file: Path | str, name: str, *words: str) -> Iterator[Virtual]:
    """The machine of that file, its desktop ready; it is off again with the context, by its power button."""
    patient = ["--timeout", str(PATIENCE), "--name", name, "--background", "--yes", "--json"]
    done = cli.run("machine", "run", str(file), *patient, *words, timeout=PATIENCE + 900)
    machine = Virtual(cli, name, json.loads(done.stdout))
    try:
        yield machine
    finally:
        stop = ("machine", "stop", name, "--grace", "240", "--json")
        ended = {"by_itself": True} if machine.is_off else json.loads(cli.run(*stop, timeout=300).stdout)
    assert ended["by_itself"], "its power button did not end it"


def colours(picture: Image.Image, area: tuple[int, int, int, int]) -> int:
    """How many colours an area holds."""
    return len(picture.crop(area).getcolors(1 << 24) or [])


def processes(lines: list[str]) -> dict[int, tuple[str, str]]:
    """Of what PID 1 answers to `processes`: by number, the container that a process is in (`-`: none) and its name."""
    found = {}
    for line in lines:
        pid, container, program = re.split(r"\t", line)[:3]
        found[int(pid)] = (container, program)
    return found
