"""The JSON Schemas of the files that people write, generated from the models: `python -m modulux.model.schema FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from modulux.model.desktop import Desktop
from modulux.model.interface import Interface
from modulux.model.machine import Machine
from modulux.model.module import Module

MODELS: dict[str, type[BaseModel]] = {"desktop": Desktop, "module": Module, "interface": Interface, "machine": Machine}


def schema(name: str) -> dict[str, Any]:
    """The schema of `desktop`, `module`, `interface` or `machine` files."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **MODELS[name].model_json_schema(by_alias=True)}


def write(folder: Path) -> None:
    """Write each schema as `<name>.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        (folder / f"{name}.json").write_text(json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
