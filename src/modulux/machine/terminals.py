"""The virtual terminals of a machine that runs: whose picture, or text, is on its screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modulux.errors import NotFoundError
from modulux.machine.control import Door, ask


@dataclass(frozen=True)
class Terminal:
    """One of them; `number` is that of the key which brings it to the front (Ctrl-Alt-F7)."""

    container: str
    number: int
    draws: bool
    seen: bool

    @property
    def name(self) -> str:
        """What a person calls it: the desktop, or a module that is there once."""
        _, desktop, module = self.container.split(".", 2)
        return desktop if self.draws else module

    @property
    def words(self) -> tuple[str, ...]:
        """All that it can be asked for by; a desktop with two displays needs the last."""
        return (self.name, str(self.number), self.container.partition(".")[2])

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "container": self.container, "number": self.number, "seen": self.seen}


def terminals(control: Door) -> list[Terminal]:
    """Those that modules of the machine have.

    Raises:
        EngineError, NotReadyError: as `ask`.
    """
    rows = [line.split("\t") for line in ask(control, "terminals")]
    return [Terminal(name, int(number), kind == "draws", seen == "seen") for name, number, kind, seen in rows]


def chosen(word: str, those: Sequence[Terminal]) -> Terminal:
    """The one that a person's word means.

    Raises:
        NotFoundError: there is none.
    """
    found = next((t for t in those if word in t.words), None)
    if found is None:
        names = ", ".join(t.name for t in those)
        raise NotFoundError(f"nothing called `{word}` has a terminal there", hint=f"there are: {names}" if names else None)
    return found


def show(control: Door, terminal: Terminal) -> None:
    """Bring it to the front.

    Raises:
        EngineError, NotReadyError: as `ask`.
    """
    ask(control, "show", terminal.container)
