"""What every model that is read from YAML has in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler


def kebab(name: str) -> str:
    """The key as it stands in YAML."""
    return name.replace("_", "-")


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
