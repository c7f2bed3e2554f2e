"""Locales: `C.UTF-8`, which every image has, or a language and country such as `zh_CN.UTF-8`, which images are built for."""

from __future__ import annotations

import difflib
import locale
import re
from functools import cache

PLAIN = ("C.UTF-8", "C", "POSIX")
"""What the images hold anyway: messages in English, letters in UTF-8."""


@cache
def known() -> frozenset[str]:
    """Names such as `de_DE`, without their encoding, from X.Org's list of locale names, which Python carries."""
    return frozenset(name.partition(".")[0].partition("@")[0] for name in locale.locale_alias.values()) - {"C"}


def known_locale(value: str) -> str:
    """The value, if it is a locale that images can be built for.

    Raises:
        ValueError: it is not; with the nearest that is.
    """
    if value in PLAIN:
        return value
    match = re.fullmatch(r"([a-z]{2,3}_[A-Z]{2})(?:\.([A-Za-z0-9-]+))?(?:@[a-z]+)?", value)
    if not match or match[1] not in known():
        near = difflib.get_close_matches(value.partition(".")[0], known(), 1)
        raise ValueError(
            f"{value!r:.80} is no known locale", f"did you mean `{near[0]}.UTF-8`?" if near else "such as de_DE.UTF-8"
        )
    if (match[2] or "").upper().replace("-", "") != "UTF8":
        raise ValueError(f"{value!r:.80} is not in UTF-8", f"write `{match[1]}.UTF-8`")
    return value


def translated(name: str) -> bool:
    """Whether images must be built for this locale."""
    return name not in PLAIN
