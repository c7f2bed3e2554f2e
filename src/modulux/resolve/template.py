"""The few `{…}` words that commands, variables and actions of a contract may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping

from modulux.errors import ResolveError

WORDS = "screen|param|desktop|hostname|locale|timezone|keyboard|module|session|edge|terminal"
_WORD = re.compile(rf"\{{((?:{WORDS})(?:\.[a-z0-9-]+)?)\}}")


def fill(text: str, values: Mapping[str, str], file: str) -> str:
    """`text` with its words replaced; other braces are left alone.

    Raises:
        ResolveError: a word that looks like one of ours is unknown.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise ResolveError(f"unknown word {match[0]}", file=file, hint=f"there are: {', '.join(sorted(values))}")
        return values[match[1]]

    return _WORD.sub(value, text)
