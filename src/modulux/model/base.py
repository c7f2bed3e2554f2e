"""What every model that is read from YAML has in common."""

from __future__ import annotations

import reprlib
from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler

_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2


def kebab(name: str) -> str:
    """The key as it stands in YAML."""
    return name.replace("_", "-")


def shown(value: object) -> str:
    """The beginning of the value, for messages: lists of aliases to lists would take minutes to write out."""
    try:
        return f"{_SHORT.repr(value):.80}"
    except ValueError:  # an integer of more digits than Python writes
        return "a very large number"


def one_or_list(value: Any) -> Any:
    """For keys that take one or several."""
    return value if isinstance(value, list) else [] if value is None else [value]


class Model(BaseModel):
    """Frozen, unknown keys refused, keys written with hyphens."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=kebab, populate_by_name=True)


class Written(Model):
    """A model that may also be written as one word; its JSON Schema says so."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        full = handler(core)
        target = handler.resolve_ref_schema(full)
        long = dict(target)
        target.clear()
        target.update({"anyOf": [{"type": "string"}, long], "description": long.get("description", "")})
        return full
