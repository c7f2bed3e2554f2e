"""Sizes, durations and names as people write them in YAML, and as the rest of the code uses them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

_SIZE = re.compile(r"(\d+)\s*([kmgt]?)(i?b)?", re.IGNORECASE)
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m)?")


def parse_size(value: object) -> int:
    """Bytes from `64m`, `2g`, `1024` (powers of 1024, as both engines read them)."""
    match = _SIZE.fullmatch(str(value).strip())
    if not match or isinstance(value, bool):
        raise ValueError("a size such as 512m or 2g")
    power = " kmgt".index(match[2].lower() or " ")
    return int(match[1]) * int(1024**power)


def parse_seconds(value: object) -> float:
    """Seconds from `30s`, `500ms`, `2m` or a number."""
    match = _SECONDS.fullmatch(str(value).strip())
    if not match or isinstance(value, bool):
        raise ValueError("a time such as 30s or 500ms")
    return float(match[1]) * {"ms": 0.001, "s": 1, "m": 60}[match[2] or "s"]


Size = Annotated[int, BeforeValidator(parse_size, json_schema_input_type=str | int), Field(gt=0)]
"""Bytes."""

Seconds = Annotated[float, BeforeValidator(parse_seconds, json_schema_input_type=str | float), Field(gt=0)]

NAME_PATTERN = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=40)]
"""Lower-case words joined by single hyphens: fits container names, hostnames and folders alike."""
