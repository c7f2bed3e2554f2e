"""Keyboard layouts: `us`, `de(nodeadkeys)`, or several that are switched between, `us,ru(phonetic)`."""

from __future__ import annotations

import difflib
import re
from functools import cache
from pathlib import Path

MOST = 4
"""Layouts that an X keyboard can hold."""


@cache
def layouts() -> dict[str, frozenset[str]]:
    """Variants of each layout, from `keyboards.txt`."""
    text = (Path(__file__).parent / "keyboards.txt").read_text(encoding="utf-8")
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {layout: frozenset(variants) for layout, *variants in lines}


def known_keyboard(value: str) -> str:
    """The value, if X knows each layout and variant in it.

    Raises:
        ValueError: it does not; with the nearest that it knows.
    """
    parts = value.split(",")
    if len(parts) > MOST:
        raise ValueError(f"{len(parts)} keyboard layouts", f"a keyboard holds at most {MOST}")
    for part in parts:
        match = re.fullmatch(r"([a-z]+)(?:\(([a-zA-Z0-9_-]+)\))?", part)
        if not match or match[1] not in layouts():
            near = difflib.get_close_matches(part, layouts(), 1)
            raise ValueError(
                f"{part!r:.80} is no keyboard layout",
                f"did you mean `{near[0]}`?" if near else "such as us, de(nodeadkeys), or us,ru",
            )
        if match[2] and match[2] not in layouts()[match[1]]:
            known = sorted(layouts()[match[1]])
            raise ValueError(
                f"layout {match[1]} has no variant {match[2]!r:.80}",
                f"it has: {', '.join(known[:12])}" if known else "it has none",
            )
    return value
