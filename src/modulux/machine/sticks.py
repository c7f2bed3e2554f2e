"""Memory sticks of a machine that runs, as PID 1 has them (`stick.c`): which there are, and taking one off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modulux.errors import EngineError, HostError, NotFoundError
from modulux.machine.control import Door, ask

IN_USE = "it ended with 16"
"""What PID 1 says of a stick that somebody has a file of open (`stick.c`)."""


@dataclass(frozen=True)
class Stick:
    """A file system on a stick: the folder below /media that shows it, its device and kind; `state` is one of stick.c's."""

    name: str
    node: str
    kind: str
    state: str

    @property
    def mounted(self) -> bool:
        return self.state == "mounted"

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "device": self.node, "kind": self.kind, "state": self.state}


def sticks(control: Door) -> list[Stick]:
    """Those that have been mounted, also when they have been ejected since and are still plugged in.

    Raises:
        EngineError, NotReadyError: as `ask`.
    """
    return [Stick(*line.split("\t")) for line in ask(control, "sticks")]


def chosen(word: str, those: Sequence[Stick]) -> Stick:
    """The one that a person's word means: its name or its device.

    Raises:
        NotFoundError: there is none.
    """
    found = next((s for s in those if word in (s.name, s.node)), None)
    if found is None:
        names = ", ".join(s.name for s in those)
        raise NotFoundError(
            f"no memory stick is called `{word}`", hint=f"there are: {names}" if names else "none is plugged in"
        )
    return found


def eject(control: Door, stick: Stick) -> None:
    """Write what is still to be written, and take it off; then it may be pulled out.

    Raises:
        HostError: somebody has a file of it open.
        EngineError, NotReadyError: as `ask`.
    """
    try:
        ask(control, "eject", stick.name)
    except EngineError as error:
        if IN_USE not in str(error):
            raise
        raise HostError(
            f"`{stick.name}` is in use", hint="close the windows that show its files, and programs in its folders"
        ) from None
