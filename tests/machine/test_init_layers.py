"""Roots of containers: layers mounted from files, newer ones on the state disk, and the way back."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest
from tests.support.pid1 import World

pytestmark = pytest.mark.skipif(
    not shutil.which("mkfs.erofs") or "erofs" not in Path("/proc/filesystems").read_text(), reason="needs erofs and mkfs.erofs"
)


def layer(work: Path, file: Path, **files: str) -> Path:
    """A layer with files of these contents."""
    source = work / f"files.{file.stem}"
    source.mkdir()
    for name, text in files.items():
        (source / name).write_text(text)
    file.parent.mkdir(parents=True, exist_ok=True)
    made = work / f"{file.stem}.made"
    subprocess.run(["mkfs.erofs", "--quiet", made, source], check=True, capture_output=True)
    shutil.copyfile(made, file)
    return file


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


def replan(here: World, layers: str) -> None:
    """A plan on the state disk."""
    folder = here.inside / "state/machine"
    folder.mkdir(exist_ok=True)
    (folder / "boot").write_text(f"version\tv1\nlayers\tone\t{layers}\nlayers\ttwo\tbase\nrun\tone\talways\nrun\ttwo\talways\n")


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


def test_one_module_is_replaced_and_put_back_without_a_new_start(shipped: World, tmp_path: Path) -> None:
    shipped.start()
    shipped.hears("started one")
    layer(tmp_path, shipped.folder / "store/layers/newer.erofs", who="newer")  # no file system is mounted from a file in memory
    replan(shipped, "newer:base")
    assert shipped.ask("restart", "one") == ["ok"]
    shipped.wait(lambda: shipped.status()["one"][0] == "running" and (root(shipped) / "who").read_text() == "newer")
    assert shipped.status()["two"][2] == "1"
    (shipped.inside / "state/machine/boot").unlink()
    assert shipped.ask("restart", "one") == ["ok"]
    shipped.wait(lambda: shipped.status()["one"][0] == "running" and (root(shipped) / "who").read_text() == "top")


def test_a_damaged_one_is_said_and_the_systems_own_is_taken(shipped: World, tmp_path: Path) -> None:
    shipped.start()
    shipped.hears("started one")
    short = layer(tmp_path, shipped.inside / "state/store/layers/newer.erofs", who="n" * 100000)
    short.write_bytes(short.read_bytes()[:20000])
    replan(shipped, "newer:base")
    shipped.ask("restart", "one")
    shipped.hears("/state/store/layers/newer.erofs is damaged")
    shipped.wait(lambda: shipped.status()["one"][:3:2] == ["running", "2"])
    assert (root(shipped) / "who").read_text() == "top"


def test_a_copy_on_the_state_disk_that_is_damaged_is_passed_over(shipped: World) -> None:
    shipped.plan("run two always")
    shipped.start()
    shipped.hears("started two")
    (shipped.inside / "state/store/layers").mkdir(parents=True)
    (shipped.inside / "state/store/layers/top.erofs").write_bytes(b"nothing" * 1000)
    replan(shipped, "top:base")
    plan = shipped.folder / "etc/machine/boot"
    plan.write_text("layers\ttwo\ttop:base\n")
    shipped.ask("restart", "two")
    (shipped.inside / "state/machine/boot").unlink()
    shipped.hears("/state/store/layers/top.erofs is damaged")
    shipped.wait(lambda: (root(shipped, "two") / "who").read_text() == "top")


def test_one_that_does_not_stay_alive_is_put_back_by_itself(shipped: World, tmp_path: Path) -> None:
    shipped.start()
    shipped.hears("started one")
    layer(tmp_path, shipped.folder / "store/layers/newer.erofs", who="newer")  # no file system is mounted from a file in memory
    replan(shipped, "newer:base")
    shipped.container("one", lives=0.05, code=1)
    shipped.ask("restart", "one")
    shipped.hears("the system's own is taken", 40)
    shipped.container("one")
    shipped.wait(lambda: shipped.status()["one"][0] == "running", 40)
    time.sleep(0.5)
    assert (root(shipped) / "who").read_text() == "top"
