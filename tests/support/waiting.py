"""Waiting for what takes its time on a busy computer."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_for(holds: Callable[[], object], what: str, seconds: float = 120.0, *, pause: float = 0.3) -> None:
    """Ask until it holds, every `pause` seconds.

    Raises:
        AssertionError: not in time; `what` should.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(pause)
