"""Commands at the end of a stream: their stdout read to its end, or their stdin fed, and their failure told."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, cast

from modulux import run
from modulux.errors import EngineError, HostError

BUFFER = 1024**2


class _Words:
    """What a command says, read all along so that it never waits for a reader; the end of it is kept."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self.text = b""
        self.thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self.thread.start()

    def _read(self, stream: IO[bytes]) -> None:
        with suppress(OSError, ValueError):
            while piece := stream.read(4096):
                self.text = (self.text + piece)[-4096:]

    def last(self, otherwise: str) -> str:
        self.thread.join(5)
        lines = [line for line in self.text.decode(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip() if lines else otherwise


@contextmanager
def fetch(argv: Sequence[str], allowed: Sequence[int] = (0,)) -> Iterator[IO[bytes]]:
    """What the command prints.

    Args:
        allowed: exit statuses that are no failure.

    Raises:
        EngineError: it failed.
        HostError: there is no such program.
    """
    with _installed(argv), run.pipe(argv) as process:
        words = _Words(process.stderr)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        stream = io.BufferedReader(cast("io.RawIOBase", process.stdout), BUFFER)
        yield stream
        while stream.read(BUFFER):
            pass
        if (status := process.wait()) not in allowed:
            raise EngineError(f"{_named(argv)}: {words.last(f'exit status {status}')}")


@contextmanager
def feed(argv: Sequence[str]) -> Iterator[IO[bytes]]:
    """The command's stdin; it is killed if the context ends by an error, and so does nothing with what it got.

    Raises:
        EngineError: it failed.
        HostError: there is no such program.
    """
    with _installed(argv), run.pipe(argv) as process:
        words = _Words(process.stderr)
        _Words(process.stdout)
        stream = io.BufferedWriter(cast("io.RawIOBase", process.stdin), BUFFER)
        try:
            yield stream
            stream.close()
        except BrokenPipeError:  # it has ended already, and said why
            pass
        except BaseException:
            process.kill()
            process.wait()
            with suppress(OSError):
                stream.close()
            raise
        if status := process.wait():
            raise EngineError(f"{_named(argv)}: {words.last(f'exit status {status}')}")


def _named(argv: Sequence[str]) -> str:
    return " ".join(argv[:2])


@contextmanager
def _installed(argv: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if error.filename != argv[0]:
            raise
        raise HostError(f"{argv[0]} is not installed", hint="modulux doctor") from None
