"""Roots of containers: layers mounted from files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.support.pid1 import World
from tests.support.updates import layer

pytestmark = pytest.mark.skipif(
    not shutil.which("mkfs.erofs") or "erofs" not in Path("/proc/filesystems").read_text(), reason="needs erofs and mkfs.erofs"
)


def root(here: World, name: str = "one") -> Path:
    return here.inside / f"run/machine/bundles/{name}/rootfs"


@pytest.fixture
def shipped(here: World, tmp_path: Path) -> World:
    """A system with two containers on one base."""
    store = here.folder / "store/layers"
    layer(tmp_path, store / "base.erofs", who="base", below="base")
    layer(tmp_path, store / "top.erofs", who="top")
    here.plan("layers one top:base", "layers two base", "run one always", "run two always")
    boot = here.folder / "etc/machine/boot"
    boot.write_text("version\tv1\n" + boot.read_text())
    (here.folder / "etc/machine/version").write_text("v1\n")
    return here


def test_a_root_is_its_layers_the_topmost_first(shipped: World) -> None:
    shipped.start()
    shipped.hears("started two")
    assert (root(shipped) / "who").read_text() == "top"
    assert (root(shipped) / "below").read_text() == "base"
    assert (root(shipped, "two") / "who").read_text() == "base"
    mounts = Path(f"/proc/{shipped.pid}/mountinfo").read_text()
    assert mounts.count(" - erofs ") == 2
    assert "MISSING" not in " ".join(shipped.console())
    shipped.power_off()
    assert shipped.console()[-1] == "off"


def test_a_layer_that_is_missing_costs_its_container_alone(shipped: World) -> None:
    (shipped.folder / "store/layers/top.erofs").unlink()
    shipped.start()
    shipped.hears("one: its layer top is missing")
    shipped.hears("started two")


def test_a_damaged_layer_costs_its_container_alone(shipped: World) -> None:
    top = shipped.folder / "store/layers/top.erofs"
    top.write_bytes(b"nothing" * 1000)
    shipped.start()
    shipped.hears("/store/layers/top.erofs is damaged")
    shipped.hears("started two")


def test_what_a_medium_has_beside_the_machine_is_taken_for_its_own_system_alone(shipped: World, tmp_path: Path) -> None:
    live = shipped.machine / "run/machine/live"
    layer(tmp_path, live / "store/layers/more.erofs", who="more")  # is not mounted: no file system is, from a file in memory
    (live / "machine/bundles").mkdir(parents=True)
    (live / "machine/bundles/three.json").write_text("{}")
    plan = "version\tv1\nlayers\ttwo\tbase\nrun\ttwo\talways\nlayers\tthree\ttop:base\nrun\tthree\talways\n"
    (live / "machine/boot").write_text(plan)
    shipped.start()
    shipped.hears("started three")
    assert root(shipped, "three").parent.joinpath("config.json").readlink() == Path(
        "/run/machine/live/machine/bundles/three.json"
    )
    assert "started one" not in shipped.console()
    shipped.power_off()
    (live / "machine/boot").write_text(plan.replace("v1", "v2"))
    said = len(shipped.console())
    shipped.start()
    shipped.wait(lambda: "started one" in shipped.console()[said:])
    assert "started three" not in shipped.console()[said:]
