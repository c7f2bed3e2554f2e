"""Broken, hostile and chopped streams: the client never hangs and raises nothing but RfbError."""

from __future__ import annotations

import struct
import time
import zlib

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.rfb_script import Played, init, rect, update

from modulux.errors import RfbError
from modulux.rfb import Client

PIXELS = bytes(range(48))
PACKED = zlib.compress(PIXELS)
WHOLE = init(4, 3) + b"".join(
    [
        update(rect(0, 0, 4, 3, 0, PIXELS), rect(1, 1, 2, 2, 1, struct.pack(">HH", 0, 0))),
        b"\x02" + struct.pack(">BxHH", 1, 0, 1) + bytes(6),
        update(rect(0, 0, 4, 3, 6, struct.pack(">I", len(PACKED)) + PACKED)),
        struct.pack(">BxxxI", 3, 5) + b"hello",
        update(rect(0, 0, 3, 4, -223)),
    ]
)
CHUNKS = st.integers(1, 64)


def play(data: bytes, chunk: int, stalls: bool = False) -> int:
    """How many updates a client gets out of a stream before it ends; lets anything but an RfbError through."""
    began = time.monotonic()
    count = 0
    try:
        made = Client(Played(data, chunk, stalls), timeout=0.5, deflate=True)
        while made.wait_update(time.monotonic() + 0.1) is not None:
            count += 1
    except RfbError:
        pass
    assert time.monotonic() - began < 5
    return count


@given(CHUNKS)
def test_the_whole_stream_is_understood_in_pieces_of_any_size(chunk: int) -> None:
    assert play(WHOLE, chunk) == 3


@given(st.integers(0, len(WHOLE) - 1), CHUNKS, st.booleans())
def test_cut_anywhere(length: int, chunk: int, stalls: bool) -> None:
    assert play(WHOLE[:length], chunk, stalls) < 3


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=8), CHUNKS)
def test_any_bytes_changed(changes: list[tuple[int, int]], chunk: int) -> None:
    data = bytearray(WHOLE)
    for at, value in changes:
        data[at] = value
    play(bytes(data), chunk)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=300), CHUNKS)
def test_garbage_after_the_greeting(data: bytes, chunk: int) -> None:
    play(init(4, 3) + data, chunk)


@settings(deadline=None)
@given(st.binary(max_size=100), CHUNKS)
def test_garbage_from_the_beginning(data: bytes, chunk: int) -> None:
    play(data, chunk)


class Endless:
    """A server that greets and then never stops saying one thing."""

    def __init__(self, said: bytes) -> None:
        self.head = init(4000, 4000)
        self.said = said * (65536 // len(said) + 1)

    def receive(self, view: memoryview, deadline: float) -> int:
        if time.monotonic() >= deadline:
            raise RfbError("time is up")  # as every stream does
        piece = self.head[: len(view)]
        self.head = self.head[len(piece) :]
        piece = piece or self.said[: len(view)]
        view[: len(piece)] = piece
        return len(piece)

    def send(self, data: bytes, deadline: float) -> None: ...

    def close(self) -> None: ...


def test_a_server_that_never_stops_ringing_the_bell_does_not_hold_the_client() -> None:
    made = Client(Endless(b"\x02"), timeout=0.5)
    began = time.monotonic()
    assert made.wait_update(began + 0.2) is None
    assert time.monotonic() - began < 2


def test_an_update_that_never_ends_does_not_hold_the_client() -> None:
    # Each of its rectangles copies a screen of 64 MB in sixteen bytes of input.
    stream = Endless(rect(0, 0, 4000, 4000, 1, bytes(4)))
    stream.head += struct.pack(">BxH", 0, 65535)
    made = Client(stream, timeout=0.5)
    began = time.monotonic()
    try:
        made.wait_update(began + 0.2)
    except RfbError:
        pass
    else:
        raise AssertionError("it was taken")
    assert time.monotonic() - began < 5
