"""Exact reads from a stream, with a small buffer, so that a message of many small fields costs few system calls."""

from __future__ import annotations

import struct
from typing import Any

from modulux.rfb.stream import Stream

BUFFER = 65536  # bytes; a pipe holds as much


class Wire:
    """Reads fields, big-endian as RFB has them, from a stream. Deadlines are readings of `time.monotonic()`."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._buffer = bytearray(BUFFER)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0

    def wait(self, deadline: float) -> None:
        """Return as soon as there is at least one byte to read.

        Raises:
            RfbTimeoutError: there was none before the deadline; nothing is lost, the next read starts where this would have.
        """
        if self._start == self._end:
            self._end = self.stream.receive(self._view, deadline)
            self._start = 0

    def read_into(self, view: memoryview, deadline: float) -> None:
        """Fill `view`."""
        done = 0
        while done < len(view):
            left = len(view) - done
            if self._start == self._end and left >= BUFFER:
                done += self.stream.receive(view[done:], deadline)  # a picture: past the buffer, with no copy
                continue
            done += self.some(view[done:], deadline)

    def some(self, view: memoryview, deadline: float) -> int:
        """Put what is there, at least one byte, at the beginning of `view`; how many."""
        self.wait(deadline)
        count = min(len(view), self._end - self._start)
        view[:count] = self._view[self._start : self._start + count]
        self._start += count
        return count

    def read(self, count: int, deadline: float) -> bytearray:
        """The next `count` bytes."""
        data = bytearray(count)
        self.read_into(memoryview(data), deadline)
        return data

    def skip(self, count: int, deadline: float) -> None:
        """Read `count` bytes and forget them, a bufferful at a time."""
        while count > 0:
            count -= len(self.read(min(count, BUFFER), deadline))

    def fields(self, layout: struct.Struct, deadline: float) -> tuple[Any, ...]:
        """The next fields, as the layout has them."""
        return layout.unpack(self.read(layout.size, deadline))
