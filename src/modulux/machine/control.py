"""Asking PID 1 of a machine, by whatever leads to its control socket: a virtual machine's port, or `ssh`.

A line goes in; lines come out, then one that is `ok`, or `error` and why, behind a mark that no container can know. Who can
reach the port could as well press the machine's power button, and who is let in by `service/ssh` has it too.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from modulux import run
from modulux.errors import EngineError, NotReadyError
from modulux.machine.address import Remote

PATIENCE = (2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds in which a greeting should be answered, each time longer: a machine may be slow."""

PAUSE = 1.0
"""Between two connections. The port tells PID 1 whether somebody is there, not that it is somebody else."""

PERSON = 180.0
"""Seconds that `ssh` may take, which may have something to ask: a key's passphrase, whether a server is the right one."""

Door = Path | Remote
"""What leads to a socket of a machine's: that of a virtual machine's port on this host, or an address."""


@contextlib.contextmanager
def opened(door: Door) -> Iterator[socket.socket]:
    """A connection. By a port it may be that of somebody before, or lead to nobody; by an address it is one's own.

    Raises:
        OSError: nobody is there.
        NotReadyError: `ssh` was not let in, or did not get there. It tells so when the line has ended: use it as a context.
    """
    if isinstance(door, Path):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as port:
            port.connect(str(door))
            yield port
        return
    with run.talk(door.argv) as (line, last_words):
        try:
            yield line
        except (OSError, NotReadyError):
            said = last_words().strip().splitlines()
            if not said:
                raise
            hint = (
                "\n".join(said[:-1])
                or "a key that its file names (`services: [{module: ssh, keys: …}]`), in ~/.ssh or an agent"
            )
            raise NotReadyError(f"{door}: {said[-1]}", hint=hint) from None


@contextlib.contextmanager
def reached(control: Door, timeout: float = 60.0) -> Iterator[socket.socket]:
    """A connection at whose other end PID 1 is known to listen: it has answered a greeting, and nothing else is under way.

    Args:
        timeout: seconds of silence, later, that raise TimeoutError.

    Raises:
        NotReadyError: it does not answer, or ends the line.
    """
    with contextlib.ExitStack() as stack:
        try:
            port = _greeted(control, stack)
        except OSError as error:
            raise NotReadyError(f"the machine does not answer: {error}", hint="modulux machine log") from None
        port.settimeout(timeout)
        yield port


def _greeted(control: Door, stack: contextlib.ExitStack) -> socket.socket:
    """The connection, which ends with the stack. What leads to nobody may be tried again where that changes something."""
    for patience in PATIENCE if isinstance(control, Path) else (PERSON,):
        with contextlib.ExitStack() as trial:
            port = trial.enter_context(opened(control))
            if _answers(port, patience):
                stack.push(trial.pop_all())
                return port
            if isinstance(control, Remote):
                raise TimeoutError("nobody answers")
        time.sleep(PAUSE)
    raise TimeoutError("nobody answers")


def _answers(port: socket.socket, patience: float) -> bool:
    mark = secrets.token_hex(8).encode()
    port.sendall(b"end=" + mark + b"\tping\n")
    said = b""
    end = time.monotonic() + patience
    while mark not in said or not said.endswith(b"\n"):
        port.settimeout(max(0.01, end - time.monotonic()))
        try:
            piece = port.recv(65536)
        except TimeoutError:
            return False
        if not piece:
            return False
        said += piece  # what an earlier talk left comes first
    return True


def ask(control: Door, *words: str, timeout: float = 60.0) -> list[str]:
    """The lines that PID 1 answers.

    Args:
        words: the command; `act NAME COMMAND…` runs a command in a container.
        timeout: seconds of silence after which it is given up.

    Raises:
        EngineError: it refused.
        NotReadyError: it does not answer.
    """
    mark = secrets.token_hex(8)
    lines: list[str] = []
    with reached(control, timeout) as port:
        try:
            port.sendall("\t".join([f"end={mark}", *words]).encode() + b"\n")
            for line in port.makefile("r", errors="replace"):
                text = line.rstrip("\r\n")
                if text == f"{mark}ok":
                    return lines
                if text.startswith(f"{mark}error"):
                    raise EngineError(f"the machine: {text.removeprefix(f'{mark}error').strip() or words[0]}")
                if text.startswith("error ") and words[0] not in CONTAINERS_SAY:  # a process of its own refused, and says why
                    raise EngineError(f"the machine: {text.removeprefix('error ').strip()}")
                lines.append(text)
        except OSError as error:
            raise NotReadyError(f"the machine does not answer: {error}", hint="modulux machine log") from None
    raise NotReadyError("the machine ended the line", hint="modulux machine log")


CONTAINERS_SAY = ("act", "log")
"""Commands whose answer holds what a container says."""
