"""A desktop carried from Podman to a machine with Docker, and from there to another one with Podman; neither has a network."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageChops
from tests.carry.conftest import LISTING, Carried, There
from tests.support import rootless
from tests.support.machine import Machine, machine

pytestmark = pytest.mark.timeout(900)


def differing(one: Path, other: Path) -> float:
    """The share of the picture that differs; the clock always does."""
    with Image.open(one) as a, Image.open(other) as b:
        assert a.size == b.size
        difference = ImageChops.difference(a.convert("RGB"), b.convert("RGB")).convert("L").point(lambda v: 255 if v else 0)
        return difference.histogram()[255] / (a.size[0] * a.size[1])


def is_the_same(there: Machine, name: str, carried: Carried, shot: Path) -> None:
    there.run("up", name)  # builds nothing: there is neither a network nor an archive
    assert there.inside(name, "terminal", LISTING) == carried.listing
    there.run("screenshot", name, "-o", str(shot))
    assert differing(carried.picture, shot) < 0.005


def test_from_podman_to_docker_and_back(carried: Carried, docker: There, tmp_path: Path) -> None:
    assert docker.said["digest"] == carried.digest
    assert len(docker.said["images"]) == 7
    is_the_same(docker.machine, carried.name, carried, tmp_path / "docker.png")
    taken = docker.machine.run("import", str(carried.file), status=10)
    assert "--as" in taken.stderr
    back = tmp_path / "back.modulux"
    exported = docker.machine.json("export", carried.name, "-o", str(back))
    docker.machine.run("down", carried.name)
    assert len(exported["images"]) == 7
    with machine("podman") as podman:
        podman.run("import", str(back), "--as", "t-other")
        is_the_same(podman, "t-other", carried, tmp_path / "podman.png")
        assert podman.inside("t-other", "terminal", "hostname").strip() == "t-other"
        podman.run("down", "t-other", "--volumes", "--yes")
        assert podman.left("t-other") == []


@pytest.mark.slow
@pytest.mark.skipif(rootless.why_not() is not None, reason=str(rootless.why_not()))
def test_to_an_ordinary_user(carried: Carried, tmp_path: Path) -> None:
    with rootless.rootless() as user:
        file = user.home / "desktop.modulux"
        shutil.copy(carried.file, file)
        file.chmod(0o644)
        assert user.json("import", str(file))["digest"] == carried.digest
        user.run("up", carried.name)
        assert user.inside(carried.name, "terminal", LISTING) == carried.listing
        user.run("screenshot", carried.name, "-o", str(user.home / "shot.png"))
        assert differing(carried.picture, user.home / "shot.png") < 0.005
        back = user.json("export", carried.name, "-o", str(user.home / "back.modulux"))
        assert back["volumes"] == ["share.Documents", "openbox.home"]
        user.run("down", carried.name, "--volumes", "--yes")
        assert user.left(carried.name) == []
