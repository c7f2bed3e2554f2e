"""The `firmware:` of a machine file."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from modulux.model.base import one_or_list, shown

NONE, KERNEL, DEBIAN = "none", "kernel", "debian"

PACKAGE = re.compile(r"[a-z0-9][a-z0-9.+-]*(=[A-Za-z0-9.+:~-]+)?")


def known_firmware(words: list[str]) -> list[str]:
    """One word of `none`, `kernel` and `debian`, or packages of the Debian archive.

    Raises:
        ValueError: one is neither.
    """
    if words in ([NONE], [KERNEL], [DEBIAN]):
        return words
    for word in words:
        if not PACKAGE.fullmatch(word) or "firmware" not in word:
            hint = "`debian`, `kernel` (what lies beside it), `none`, or packages such as [firmware-amd-graphics]"
            raise ValueError(f"{shown(word)} is no package of firmware", hint)
    return words


FirmwareUse = Annotated[
    list[str],
    BeforeValidator(one_or_list, json_schema_input_type=str | list[str]),
    AfterValidator(known_firmware),
    Field(min_length=1),
]
