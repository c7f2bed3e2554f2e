"""A time server on the loopback, of this computer's clock: SNTP (RFC 5905), one answer for each question."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator

PORT = 123
SINCE_1900 = 2208988800
ASKED, ANSWERS, STRATUM = 3, 4, 1


def stamp() -> bytes:
    """The time of day, as 32 bits of seconds and 32 of a second's parts."""
    seconds, parts = divmod(time.time_ns(), 10**9)
    return struct.pack("!II", seconds + SINCE_1900, (parts << 32) // 10**9)


def answer(question: bytes, came: bytes) -> bytes:
    """What is said to a client's packet that came then."""
    version = question[0] >> 3 & 7
    head = struct.pack("!BBbb", version << 3 | ANSWERS, STRATUM, question[2] if question[2] < 128 else 6, -20)
    return head + struct.pack("!II4s", 0, 1, b"LOCL") + came + question[40:48] + came + stamp()


@contextlib.contextmanager
def served(port: int = PORT) -> Iterator[None]:
    """Answers at 127.0.0.1 as long as the context."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", port))
        door.settimeout(0.2)
        ends = threading.Event()

        def serve() -> None:
            while not ends.is_set():
                with contextlib.suppress(TimeoutError):
                    question, asker = door.recvfrom(1024)
                    if len(question) >= 48 and question[0] & 7 == ASKED:
                        door.sendto(answer(question, stamp()), asker)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ends.set()
            thread.join()
