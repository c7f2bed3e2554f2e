"""PID 1 of a machine, compiled once, and a world for each test; who keeps its data."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.machine.test_init_keeping import group
from tests.machine.test_init_state import boot
from tests.support.keeper import NAME, Keeper, keeper, why_not
from tests.support.pid1 import World, compile_pid1, world
from tests.unit.test_machine_compose import CATALOG, desktop

from modulux.machine.compose import plan_machine
from modulux.machine.custody import note_desktops
from modulux.model.machine import Machine


@pytest.fixture(scope="session")
def pid1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.geteuid() != 0 or not shutil.which("gcc") or not shutil.which("unshare"):
        pytest.skip("needs root, gcc and unshare")
    return compile_pid1(tmp_path_factory.mktemp("pid1"))


@pytest.fixture
def here(tmp_path: Path, pid1: Path) -> Iterator[World]:
    with world(tmp_path, pid1) as made:
        yield made


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A block device on a file of 64 MB of zeros, `disk.img`."""
    if not all(shutil.which(p) for p in ("losetup", "mke2fs", "debugfs")):
        pytest.skip("needs losetup and e2fsprogs")
    image = tmp_path / "disk.img"
    with image.open("wb") as file:
        file.truncate(64 * 1024**2)
    attach = ["losetup", "--find", "--show", str(image)]
    attached = subprocess.run(attach, check=False, capture_output=True, text=True)
    if attached.returncode:
        pytest.skip("no loop devices")
    node = attached.stdout.strip()
    yield Path(node)
    subprocess.run(["losetup", "--detach", node], check=False)


class NoEngine:
    """Has no images, so no packages are listed."""

    def image_ids(self, _: object) -> dict[str, str]:
        return {}


@pytest.fixture
def there(here: World, disk: Path, tmp_path: Path) -> Keeper:
    """`modulux` of a machine that has one desktop."""
    if reason := why_not():
        pytest.skip(reason)
    machine = Machine.model_validate({"name": "m", "desktops": [NAME], "services": ["keeper"], "login": {"password": "none"}})
    plan = plan_machine(machine, CATALOG, desktop)
    note_desktops(machine, plan, CATALOG, NoEngine(), here.folder / "etc/machine/desktops")  # type: ignore[arg-type]
    noted = json.loads((here.folder / f"etc/machine/desktops/{NAME}/desktop.json").read_text())
    assert noted["beside"] == ["modulux.m.login"], "it has the Documents"
    own = [*noted["containers"], *noted["beside"]]
    its = next(c for c in plan.containers if c.custody)
    for name in own:
        group(here, name)
    lines = [f"volume /state/volumes/{volume} {own[0]} /home/user" for volume in its.custody]
    home = tmp_path / "home-of-it"
    home.mkdir()
    boot(here, disk, "custody keeper", *lines, *[f"run {name} always" for name in own])
    here.hears("desktop ready", 30)
    return keeper(here, its, home)
