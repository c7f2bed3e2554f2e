"""Layers out of what engines give: known by their digest, however each engine names them."""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
from pathlib import Path
from typing import Any, cast

import pytest

from modulux.engine.protocol import ImageFacts
from modulux.errors import EngineError, NotFoundError
from modulux.machine import layers
from modulux.machine.tools import Tools
from modulux.report import silent


def layer(name: str, content: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


BASE, TOP = layer("etc/base", b"b" * 3_000_000), layer("etc/top", b"t")


class Saving:
    """An engine that gives one archive, as its `save` would."""

    name = "pretended"

    def __init__(self, folder: Path, members: dict[str, bytes]) -> None:
        self.archive = folder / "saved.tar"
        with tarfile.open(self.archive, "w") as archive:
            for name, content in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))

    def save_argv(self, references: list[str]) -> list[str]:
        copy = "import sys,shutil; shutil.copyfileobj(open(sys.argv[1],'rb'), sys.stdout.buffer)"
        return [sys.executable, "-c", copy, str(self.archive)]

    def image_facts(self, references: list[str]) -> dict[str, ImageFacts]:
        return {}


class Making(Tools):
    """Tools that turn an archive into a file that says what it was made from."""

    def do(self, script: str, folder: Path, *arguments: str) -> str:
        for path in (folder / "incoming").glob("*.tar"):
            (folder / "layers" / f"{path.stem}.erofs").write_text(digest(path.read_bytes()))
        return ""


@pytest.mark.parametrize(
    "members",
    [
        {f"{digest(BASE)}.tar": BASE, f"{digest(TOP)}.tar": TOP, "manifest.json": b"[]"},  # Podman
        {"aa/layer.tar": BASE, "aa/json": b"{}", "bb/layer.tar": TOP, "manifest.json": b"[]"},  # Docker
        {f"blobs/sha256/{digest(BASE)}": BASE, f"blobs/sha256/{digest(TOP)}": TOP, "index.json": b"{}"},  # Docker by containerd
    ],
    ids=["podman", "docker", "oci"],
)
def test_layers_are_found_whatever_they_are_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, members: dict[str, bytes]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tools = Making(cast("Any", Saving(tmp_path, members)), "tools")
    facts = {"image": ImageFacts((), (), "/", (digest(BASE), digest(TOP)))}
    kept = layers.keep(facts, tools, silent)
    assert [path.stem for path in kept["image"]] == [digest(TOP), digest(BASE)]  # the topmost first
    assert all(path.read_text() == path.stem for path in kept["image"])
    assert [p.name for p in (tmp_path / "cache/modulux/machine").iterdir()] == [layers.store().name]  # nothing half-made stays


def test_a_layer_that_an_engine_does_not_give_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tools = Making(cast("Any", Saving(tmp_path, {"aa/layer.tar": BASE})), "tools")
    with pytest.raises(EngineError, match=f"did not give the layer {digest(TOP)}"):
        layers.keep({"image": ImageFacts((), (), "/", (digest(BASE), digest(TOP)))}, tools, silent)


def test_an_image_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="does not have the image localhost/x:1"):
        layers.image_facts(cast("Any", Saving(tmp_path, {})), ["localhost/x:1"])
