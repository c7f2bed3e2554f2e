"""Streams of bytes that RFB runs over: a process's pipes, a unix socket, a TCP socket. Whoever opens one closes it.

Every wait has a deadline, a reading of `time.monotonic()` in seconds; what goes wrong is an RfbError.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from modulux import run
from modulux.errors import RfbError

PATIENCE = 2.0
"""Seconds that a command at the other end of a pipe has to end when its stdin is closed."""


class RfbTimeoutError(RfbError):
    """Nothing came, or nothing could be sent, before the deadline. The stream is still whole."""


class Stream(Protocol):
    """What an RFB client needs of its transport; a WebSocket fits it as well as a pipe."""

    def receive(self, view: memoryview, deadline: float) -> int:
        """Wait for bytes, put as many as are there at the beginning of `view`, return how many (at least 1).

        Raises:
            RfbTimeoutError: none came before the deadline.
            RfbError: the other side is gone.
        """

    def send(self, data: bytes, deadline: float) -> None:
        """Send all of `data`; raises like `receive`."""

    def close(self) -> None:
        """Let go of it; a second time does nothing."""


class FdStream:
    """A stream over file descriptors, one to read from and one to write to (the same for a socket).

    Args:
        close: called once to let go of the descriptors.
        why: called when the other side is gone; what it returns is the error's hint.
    """

    def __init__(
        self, reading: int, writing: int, close: Callable[[], None], why: Callable[[], str | None] = lambda: None
    ) -> None:
        self._reading = reading
        self._writing = writing
        self._close: Callable[[], None] | None = close
        self._why = why
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        self._readable = select.poll()
        self._readable.register(reading, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(writing, select.POLLOUT)

    def receive(self, view: memoryview, deadline: float) -> int:
        while True:
            self._wait(self._readable, deadline, "nothing came")
            try:
                count = os.readv(self._reading, [view])
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._gone(str(error)) from error
            if count == 0:
                raise self._gone("the other side closed it")
            return count

    def send(self, data: bytes, deadline: float) -> None:
        rest = memoryview(data)
        while rest:
            self._wait(self._writable, deadline, "nothing could be sent")
            try:
                rest = rest[os.write(self._writing, rest) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._gone(str(error)) from error

    def close(self) -> None:
        close, self._close = self._close, None
        if close is not None:
            close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _wait(self, poll: select.poll, deadline: float, what: str) -> None:
        if self._close is None:
            raise RfbError("the RFB connection is closed")
        # The deadline is looked at even when bytes are there, so that a peer that never stops talking cannot hold us.
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise RfbTimeoutError(f"{what} over the RFB connection in time")

    def _gone(self, what: str) -> RfbError:
        return RfbError(f"the RFB connection ended: {what}", hint=self._why())


def open_pipe(argv: Sequence[str]) -> FdStream:
    """Run a command and talk to it through its stdin and stdout; it is ended when the stream is closed.

    This is how a module's unix socket is reached: `podman exec -i VIEWER nc -U SOCKET`.
    """
    with contextlib.ExitStack() as stack:
        try:
            process = stack.enter_context(run.pipe(argv, patience=PATIENCE))
        except OSError as error:
            raise RfbError(f"cannot run {argv[0]}: {error.strerror}") from error
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        errors = process.stderr.fileno()
        os.set_blocking(errors, False)

        def why() -> str | None:
            with contextlib.suppress(OSError):
                select.select([errors], [], [], 0.2)  # it closes stdout a moment before it says why
                return os.read(errors, 2000).decode(errors="replace").strip() or None
            return None

        return FdStream(process.stdout.fileno(), process.stdin.fileno(), stack.pop_all().close, why)


def open_unix(path: Path | str, timeout: float = 10.0) -> FdStream:
    """Connect to a unix socket."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    return _connect(connection, str(path), str(path), timeout)


def open_tcp(host: str, port: int, timeout: float = 10.0) -> FdStream:
    """Connect to a TCP port; small messages (keys) are sent at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return _connect(connection, (host, port), f"{host}:{port}", timeout)


def _connect(connection: socket.socket, address: str | tuple[str, int], shown: str, timeout: float) -> FdStream:
    connection.settimeout(timeout)
    try:
        connection.connect(address)
    except OSError as error:
        connection.close()
        raise RfbError(f"cannot connect to {shown}: {error.strerror or error}", hint="is the desktop up?") from error
    return FdStream(connection.fileno(), connection.fileno(), connection.close)
