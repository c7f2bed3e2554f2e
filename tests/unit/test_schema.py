"""The shipped schemas are those of the models, and the shipped desktops fit and resolve."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modulux.model.desktop import Desktop
from modulux.model.schema import MODELS, schema
from modulux.paths import shipped
from modulux.resolve.catalog import Catalog
from modulux.resolve.files import load
from modulux.resolve.plan import HostFacts, resolve


@pytest.mark.parametrize("name", MODELS)
def test_shipped_schemas_are_current(name: str) -> None:
    """If this fails: `python -m modulux.model.schema schemas`."""
    assert json.loads((shipped("schemas") / f"{name}.json").read_text()) == schema(name)


@pytest.mark.parametrize("path", sorted(shipped("desktops").glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_desktops(path: Path) -> None:
    desktop = load(path, Desktop)
    assert desktop.name == path.stem
    assert desktop.summary
    plan = resolve(desktop, Catalog([shipped("modules")]), HostFacts())
    assert {"session", "gateway"} <= {c.role for c in plan.containers}
    assert any("x11" in c.sockets for c in plan.containers)
    assert any("rfb" in c.sockets for c in plan.containers)
