"""A stream of messages as it passes by: where one ends and the next begins, so that some can be taken out and others put in."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

EDGE = None
"""What a grammar yields where a message may end and another begin."""

Grammar = Generator[int | None, bytes, Any]
"""Yields EDGE; or how many bytes it wants to see (above 0), and is sent them; or how many may pass unseen (0 or below)."""


class LostError(Exception):
    """The stream holds something that the grammar does not know, so where its messages end is not known any more."""


class Passing:
    """Passes one direction of a stream on, message by message. What the grammar does not know passes as it is from there on.

    Attributes:
        drop: set by the grammar before the end of a message that must not pass.
        lost: why the stream is passed on without being understood, or empty.
    """

    def __init__(self) -> None:
        self.drop = False
        self.lost = ""
        self._grammar: Grammar | None = None
        self._want: int | None = 0
        self._seen = bytearray()
        self._waiting: list[bytes] = []

    def follow(self, grammar: Grammar) -> None:
        """Begin; once, before the first byte."""
        self._grammar = grammar
        self._want = next(grammar)

    @property
    def between(self) -> bool:
        """Whether everything so far ended with a whole message, so that one may be put in at once."""
        return self._want is EDGE and not self.lost

    def put(self, message: bytes) -> None:
        """Let `message` pass at the next edge."""
        self._waiting.append(message)

    def feed(self, data: bytes) -> bytes:
        """What is passed on of `data`, the bytes that came, and of what was put in."""
        if self.lost or self._grammar is None:
            return data
        out: list[bytes] = []
        try:
            self._feed(data, out)
        except LostError as error:
            self.lost = str(error)
            self._waiting.clear()
        return out[0] if len(out) == 1 else b"".join(out)

    def _feed(self, data: bytes, out: list[bytes]) -> None:
        """Add what passes to `out`, even when the way is lost."""
        at = start = 0
        size = len(data)
        assert self._grammar is not None
        try:
            while True:
                want = self._want
                seen = b""
                if want is EDGE:
                    self._cut(data[start:at], out)
                    start = at
                    out += self._waiting
                    self._waiting.clear()
                    if at == size:
                        return
                elif want > 0:
                    missing = want - len(self._seen)
                    self._seen += data[at : at + missing]
                    at = min(at + missing, size)
                    if len(self._seen) < want:
                        return
                    seen = bytes(self._seen)
                    self._seen.clear()
                elif at - want > size:
                    self._want = want + size - at
                    at = size
                    return
                else:
                    at -= want
                self._want = self._grammar.send(seen) if want is not EDGE else next(self._grammar)
        finally:
            self._cut(data[start:], out, ended=False)

    def _cut(self, piece: bytes, out: list[bytes], *, ended: bool = True) -> None:
        if piece and not self.drop:
            out.append(piece)
        if ended:
            self.drop = False
