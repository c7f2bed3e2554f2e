"""One line for each event on stderr, where the engine collects it. Never a link, a password or a session."""

from __future__ import annotations

import sys


def say(event: str, **details: object) -> None:
    """Log `event` and its details as `key=value`, kept on one line whatever they hold."""
    words = [event, *(f"{key}={str(value)!r}" for key, value in details.items())]
    sys.stderr.write(f"gateway: {' '.join(words)}\n")
