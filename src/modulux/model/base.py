"""What every model that is read from YAML has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


def kebab(name: str) -> str:
    """The key as it stands in YAML."""
    return name.replace("_", "-")


class Model(BaseModel):
    """Frozen, unknown keys refused, keys written with hyphens."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=kebab, populate_by_name=True)
