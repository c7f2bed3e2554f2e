"""Plugging screens into the graphics card of a virtual machine.

QEMU counts a screen as there once somebody looks at it and says its size: a client of its VNC server, in RFB's message
SetDesktopSize (an extension of RFC 6143).
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path

from modulux.errors import EngineError
from modulux.machine.emulator import Machine
from modulux.model.units import Screen

PATIENCE = 10.0
"""Seconds in which QEMU answers."""

NO_PASSWORD, SHARED = b"\x01", b"\x01"
SET_ENCODINGS, SET_DESKTOP_SIZE = 2, 251
EXTENDED_DESKTOP_SIZE = -308


def plug_in(machine: Machine) -> None:
    """All screens but the first.

    Raises:
        EngineError: QEMU does not take one.
    """
    for number, size in enumerate(machine.beside, 1):
        try:
            _plug_in(machine.screen_door(number), size)
        except OSError as error:
            raise EngineError(f"screen {number + 1} cannot be plugged in: {error}") from None


def _plug_in(door: Path, size: Screen) -> None:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(PATIENCE)
        line.connect(str(door))
        line.sendall(_heard(line, 12))  # the version that QEMU speaks
        _heard(line, _heard(line, 1)[0])  # ways in, of which one is without a password
        line.sendall(NO_PASSWORD)
        _heard(line, 4)
        line.sendall(SHARED)
        (name,) = struct.unpack("!20xI", _heard(line, 24))
        _heard(line, name)
        line.sendall(struct.pack("!BxHi", SET_ENCODINGS, 1, EXTENDED_DESKTOP_SIZE))
        whole = (0, 0, 0, size.width, size.height, 0)
        line.sendall(struct.pack("!BxHHBxIHHHHI", SET_DESKTOP_SIZE, size.width, size.height, 1, *whole))
        _heard(line, 1)  # it has been taken


def _heard(line: socket.socket, size: int) -> bytes:
    said = b""
    while len(said) < size:
        piece = line.recv(size - len(said))
        if not piece:
            raise OSError("QEMU ended the line")
        said += piece
    return said
