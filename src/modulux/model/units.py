"""Sizes, durations and names as people write them in YAML, and as the rest of the code uses them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from modulux.model.base import Written, shown

_SIZE = re.compile(r"([0-9]{1,16})\s*([kmgt]?)(i?b)?", re.IGNORECASE)
_SECONDS = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(ms|s|m)?")


TEBIBYTE = 1024**4


def _word(value: object) -> str:
    """A single value as it was written; nothing for the rest: a list of aliases to lists would take minutes to write out."""
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def parse_size(value: object) -> int:
    """Bytes from `64m`, `2g`, `1024` (powers of 1024, as both engines read them)."""
    match = _SIZE.fullmatch(_word(value))
    if not match:
        raise ValueError(f"should be a size such as 512m or 2g (it is {shown(value)})")
    power = " kmgt".index(match[2].lower() or " ")
    size = int(match[1]) * int(1024**power)
    if size > TEBIBYTE:
        raise ValueError(f"should be at most 1t (it is {shown(value)})")
    return size


def parse_seconds(value: object) -> float:
    """Seconds from `30s`, `500ms`, `2m` or a number."""
    match = _SECONDS.fullmatch(_word(value))
    if not match:
        raise ValueError(f"should be a time such as 30s or 500ms (it is {shown(value)})")
    return float(match[1]) * {"ms": 0.001, "s": 1, "m": 60}[match[2] or "s"]


Size = Annotated[int, BeforeValidator(parse_size, json_schema_input_type=str | int), Field(gt=0)]
"""Bytes."""


def _memory(value: int) -> int:
    if value < 16 * 1024**2:
        raise ValueError("too little memory for a module", "it takes at least 16m, and at most 1t")
    return value


Memory = Annotated[Size, AfterValidator(_memory)]
"""Bytes that a module can live in."""

Cpus = Annotated[float, Field(ge=0.01, le=1024, allow_inf_nan=False)]
"""Processors, or parts of one."""

Pids = Annotated[int, Field(ge=8, le=1_000_000)]
"""Processes and threads."""

Seconds = Annotated[float, BeforeValidator(parse_seconds, json_schema_input_type=str | float), Field(gt=0)]

NAME_PATTERN = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
MAX_NAME = 40
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=MAX_NAME)]
"""Lower-case words joined by single hyphens: fits container names, hostnames and folders alike."""

MAX_PIXELS = 34_000_000
"""Of a screen: a picture of 136 MB, which a display, its viewer and each browser hold at once."""


class Screen(Written):
    """Width and height in pixels; written `1280x800`."""

    width: int = Field(ge=320, le=8192)
    height: int = Field(ge=200, le=8192)

    @model_validator(mode="before")
    @classmethod
    def _written(cls, value: Any) -> Any:
        if isinstance(value, str) and (match := re.fullmatch(r"(\d{1,6})x(\d{1,6})", value.strip())):
            return {"width": int(match[1]), "height": int(match[2])}
        if not isinstance(value, dict | Screen):
            raise ValueError(f"should be a size such as 1280x800 (it is {shown(value)})")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Screen:
        if self.width * self.height > MAX_PIXELS:
            raise ValueError(
                f"{self} is {self.width * self.height / 1e6:.0f} megapixels",
                f"at most {MAX_PIXELS // 10**6}, such as 7680x4320",
            )
        return self

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"
