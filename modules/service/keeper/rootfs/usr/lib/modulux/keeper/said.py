"""What is said to a person, and asked; and how all of it fails."""

from __future__ import annotations

import sys
from collections.abc import Callable

ENQUIRY = "\x05"
"""Behind a question whose answer is not to be seen: who has the terminal hides what is typed until the end of the line."""

Said = Callable[[str], None]


class RefusedError(Exception):
    """Why it was not done; exit codes are those of Modulux anywhere else (`src/modulux/errors.py`)."""

    def __init__(self, why: str, code: int = 1, hint: str = "") -> None:
        super().__init__(why)
        self.code = code
        self.hint = hint


USAGE, FILE, HOST, ENGINE, NOT_FOUND, CANCELLED = 2, 3, 5, 6, 9, 12
REPOSITORY, PASSWORD, DAMAGED, NEWER = 13, 14, 15, 16


def tell(text: str) -> None:
    """A line of progress."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def answer(question: str, *, hidden: bool = False) -> str:
    """What a person types.

    Raises:
        RefusedError: nobody is there.
    """
    sys.stderr.write(question + " " + (ENQUIRY if hidden else ""))
    sys.stderr.flush()
    line = sys.stdin.buffer.readline().decode(errors="surrogateescape")
    if not line.endswith("\n"):
        raise RefusedError(
            f"{question} Nobody is there to ask",
            CANCELLED,
            "--yes answers what is asked, --password-file FILE gives a password",
        )
    return line.rstrip("\r\n")


def confirm(question: str, yes: bool) -> None:
    """Go on only after a yes.

    Raises:
        RefusedError: it was a no.
    """
    if not yes and answer(f"{question} [y/N]").strip().lower() not in {"y", "yes"}:
        raise RefusedError("nothing was done", CANCELLED)
