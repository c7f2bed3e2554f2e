"""`modulux` inside of a machine (`service/keeper`), asked from here: a command, what it reads, prints and ends with.

Frames of a letter, a length and as many bytes; `modules/service/keeper/…/serve` tells which.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from modulux.errors import EngineError, NotReadyError
from modulux.machine.control import PERSON, Door, opened

MAGIC = b"\0modulux keeper 1\n"
ENQUIRY = b"\x05"
"""Ends a question whose answer is not to be seen."""

PATIENCE = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds in which a command must be taken, each time longer: what comes while nobody is there, as after a restore, is lost."""

LOST = 180.0
"""Seconds of silence after which nobody is there any more: a command says every five that it is still at it."""

PAUSE = 1.0
PIECE = 1 << 15


def begin(keeper: Door, words: Sequence[str]) -> Talk:
    """Start a command.

    Args:
        keeper: what leads to it: the socket of a virtual machine's port, or an address.

    Raises:
        NotReadyError: nobody takes it.
    """
    hint = "`services: [keeper]` in the machine file, and a machine that is ready"
    for patience in PATIENCE if isinstance(keeper, Path) else (PERSON,):
        with contextlib.ExitStack() as stack, contextlib.suppress(TimeoutError):  # what it may have begun ends with the line
            try:
                line = stack.enter_context(opened(keeper))
                line.settimeout(patience)
                line.sendall(MAGIC + _frame(b"a", json.dumps(list(words)).encode()))
                if Talk.taken(line):
                    line.settimeout(LOST)
                    return Talk(line, stack.pop_all())
            except TimeoutError:
                raise
            except OSError as error:
                raise NotReadyError(f"the machine does not answer: {error}", hint=hint) from None
        time.sleep(PAUSE)
    raise NotReadyError("nothing in this machine keeps its data, or it does not answer", hint=hint)


def _frame(kind: bytes, data: bytes) -> bytes:
    return kind + len(data).to_bytes(4, "big") + data


@dataclass
class Talk:
    """A command that runs; it ends with the line."""

    line: socket.socket
    opened: contextlib.ExitStack
    writing: threading.Lock = field(default_factory=threading.Lock)

    @staticmethod
    def taken(line: socket.socket) -> bool:
        """Whether the command was taken. What an earlier talk has left comes first, and is passed over."""
        seen = b""
        mark = _frame(b"h", b"")
        while piece := line.recv(1):
            seen = (seen + piece)[-len(mark) :]
            if seen == mark:
                return True
        return False

    def send(self, kind: bytes, data: bytes) -> None:
        with self.writing:
            self.line.sendall(_frame(kind, data))

    def carry(self, stdin: int, stdout: IO[bytes], stderr: IO[bytes]) -> int:
        """Hand over what comes on the descriptor, write what the command prints, and tell with what it ended.

        Raises:
            EngineError: the line was cut.
        """
        ended = threading.Event()
        threading.Thread(target=self._hear, args=(stdin, ended), daemon=True).start()
        try:
            with _seen(stdin) as terminal, contextlib.suppress(TimeoutError):
                for kind, data in self._frames():
                    if kind == b"x":
                        return data[0]
                    if kind == b"r" and data.endswith(ENQUIRY):
                        terminal.hide()
                    sink = stdout if kind == b"o" else stderr
                    sink.write(data.removesuffix(ENQUIRY) if kind == b"r" else data)
                    sink.flush()
        finally:
            ended.set()
            self.opened.close()
        raise EngineError("the machine ended the line", hint="whether it was done is not known")

    def _frames(self) -> Iterator[tuple[bytes, bytes]]:
        with self.line.makefile("rb", 1 << 16) as reading:
            while head := reading.read(5):
                yield head[:1], reading.read(int.from_bytes(head[1:], "big"))

    def _hear(self, stdin: int, ended: threading.Event) -> None:
        """Until the command has ended: who types nothing is not waited for."""
        with contextlib.suppress(OSError):
            while not ended.is_set():
                if not select.select([stdin], [], [], 0.2)[0]:
                    continue
                data = os.read(stdin, PIECE)
                if ended.is_set():
                    return
                if not data:
                    self.send(b"e", b"")
                    return
                self.send(b"i", data)


class _Terminal:
    """Where a person types, if it is one."""

    def __init__(self, file: int) -> None:
        self.file = file
        self.before = termios.tcgetattr(file) if os.isatty(file) else None

    def hide(self) -> None:
        """Show nothing of the next line."""
        if self.before is not None:
            changed = termios.tcgetattr(self.file)
            changed[3] &= ~termios.ECHO
            changed[3] |= termios.ECHONL
            termios.tcsetattr(self.file, termios.TCSADRAIN, changed)

    def show(self) -> None:
        if self.before is not None:
            termios.tcsetattr(self.file, termios.TCSADRAIN, self.before)


@contextlib.contextmanager
def _seen(file: int) -> Iterator[_Terminal]:
    terminal = _Terminal(file)
    try:
        yield terminal
    finally:
        terminal.show()
