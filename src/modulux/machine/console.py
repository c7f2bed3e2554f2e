"""The serial line of a virtual machine, both ways: what a person types goes in, what the machine says comes out."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import termios
from collections.abc import Iterator
from pathlib import Path

from modulux.errors import NotReadyError

PIECE = 65536


def connect(console: Path) -> socket.socket:
    """The line's other end, which one at a time can have.

    Raises:
        NotReadyError: it is not there.
    """
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        line.connect(str(console))
    except OSError as error:
        line.close()
        raise NotReadyError(f"the serial line does not answer: {error.strerror}", hint="modulux machine list") from None
    return line


@contextlib.contextmanager
def keys_at_once(terminal: int) -> Iterator[None]:
    """A terminal that hands on each key and does not show it, since the machine does; Ctrl-C stays what it is."""
    if not os.isatty(terminal):
        yield
        return
    before = termios.tcgetattr(terminal)
    changed = termios.tcgetattr(terminal)
    changed[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(terminal, termios.TCSADRAIN, changed)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def carry(line: socket.socket, keys: int, screen: int) -> None:
    """Until the machine goes off, or `keys` end and it has gone off."""
    ends = [line.fileno(), keys]
    while True:
        ready, _, _ = select.select(ends, [], [])
        if keys in ready:
            typed = os.read(keys, PIECE)
            line.sendall(typed)
            if not typed:
                ends.remove(keys)
        if line.fileno() in ready:
            said = line.recv(PIECE)
            if not said:
                return
            os.write(screen, said)
