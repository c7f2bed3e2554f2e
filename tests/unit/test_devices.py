"""Modules that need hardware: refused where it is not, with the reason, and never paired by the matrix."""

import shutil
from pathlib import Path

import pytest

from modulux.errors import ResolveError
from modulux.matrix.pairs import pairs
from modulux.model.desktop import Desktop
from modulux.paths import shipped
from modulux.resolve.catalog import Catalog
from modulux.resolve.plan import HostFacts, resolve


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """The modules of Modulux, and a display like Xvfb that wants a graphics card."""
    folder = tmp_path / "display/card"
    shutil.copytree(shipped("modules") / "display/xvfb", folder)
    contract = folder / "module.yaml"
    contract.write_text(contract.read_text() + "devices: [/dev/dri]\n")
    return Catalog([shipped("modules"), tmp_path])


@pytest.fixture
def desktop() -> Desktop:
    return Desktop.model_validate({"name": "real", "display": "card", "sessions": "openbox"})


def test_a_device_that_is_not_there_is_named_with_who_needs_it(catalog: Catalog, desktop: Desktop) -> None:
    with pytest.raises(ResolveError, match="display/card needs /dev/dri, which is not there") as raised:
        resolve(desktop, catalog, HostFacts(devices=frozenset({"/dev/null", "/dev/input"})))
    assert "xvfb" in (raised.value.hint or "")


def test_where_it_is_the_container_gets_it_and_nobody_else(catalog: Catalog, desktop: Desktop) -> None:
    plan = resolve(desktop, catalog, HostFacts(devices=frozenset({"/dev/dri"})))
    assert {c.short: c.devices for c in plan.containers if c.devices} == {"card": ("/dev/dri",)}
    assert all(c.capabilities == () for c in plan.containers)


def test_a_terminal_is_a_machines_to_give(tmp_path: Path, desktop: Desktop) -> None:
    folder = tmp_path / "display/card"
    shutil.copytree(shipped("modules") / "display/xvfb", folder)
    (folder / "module.yaml").write_text((folder / "module.yaml").read_text() + "terminal: true\nenv: {VT: 'tty{terminal}'}\n")
    catalog = Catalog([shipped("modules"), tmp_path])
    with pytest.raises(ResolveError, match="display/card needs a virtual terminal of its own") as raised:
        resolve(desktop, catalog, HostFacts())
    assert "machine" in (raised.value.hint or "")
    assert not any(pair.display == "card" for pair in pairs(catalog))
    plan = resolve(desktop, catalog, HostFacts(machine="m"))
    assert {c.short: c.env["VT"] for c in plan.containers if "VT" in c.env} == {"card": "tty{terminal}"}


def test_the_matrix_pairs_none_that_needs_hardware(catalog: Catalog) -> None:
    found = pairs(catalog)
    assert any(pair.display == "xvfb" for pair in found)
    assert not any(pair.display == "card" for pair in found)
