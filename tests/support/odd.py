"""Virtual machines that lack something, or have other hardware than those that `modulux machine run` starts."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.cli import Cli
from tests.support.virtual import PATIENCE, Virtual, wait_for

from modulux.machine.emulator import Machine
from modulux.machine.places import sockets_folder
from modulux.machine.running import Running, pull_plug, start, stop


@dataclass(frozen=True)
class Odd(Machine):
    """A virtual machine without a graphics card (`card` is none), without a sound card, with words of QEMU's more."""

    card: tuple[str, ...] = ("-device", "virtio-vga")
    sounds: bool = True
    more: Sequence[str] = ()

    def argv(self) -> list[str]:
        words = super().argv()
        at = words.index("virtio-vga") - 1
        words[at : at + 2] = self.card
        return [*words, *self.more]

    def _sound(self) -> list[str]:
        return super()._sound() if self.sounds else []


@contextlib.contextmanager
def odd(name: str, built: Path, **how: Any) -> Iterator[Virtual]:
    """The machine in the folder `built`, from its power-on; it is off again with the context."""
    facts: dict[str, Any] = {"sockets": sockets_folder(name), "state": None, "memory": 1024**3} | how
    running = start(name, Odd(built=built, **facts))
    try:
        yield Virtual(Cli("podman"), name, {})
    except BaseException:
        end(running)
        raise
    assert stop(running, 240), "its power button did not end it"


def end(running: Running) -> None:
    """As a power cut would."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(running.pid, signal.SIGKILL)
    pull_plug(running)
    wait_for(lambda: not running.alive(), "QEMU has ended", 30)


def hears(machine: Virtual, words: str, seconds: float = PATIENCE) -> None:
    """Wait until PID 1 has said these words on the serial line."""
    wait_for(lambda: any(words in said for _, said in machine.running.said()), f"{words}\n{machine.serial()[-4000:]}", seconds)
