"""Modules on disk, and their tags."""

from __future__ import annotations

from pathlib import Path

import pytest

from modulux.errors import FileError, ResolveError
from modulux.paths import shipped
from modulux.resolve.catalog import Catalog


def tag(world: Path, id: str = "display/xvfb") -> str:
    return Catalog([world]).tag(id)


def test_the_tag_follows_the_folder_and_its_base(world: Path) -> None:
    before = tag(world)
    assert tag(world) == before
    (world / "display/xvfb/rootfs").mkdir()
    (world / "display/xvfb/rootfs/file").write_text("x")
    with_file = tag(world)
    assert with_file != before
    (world / "display/xvfb/rootfs/file").chmod(0o755)
    executable = tag(world)
    assert executable not in {before, with_file}
    (world / "base/debian/Containerfile").write_text("FROM scratch\n# other\n")
    assert tag(world) != executable


def test_the_tag_follows_what_it_is_like(world: Path) -> None:
    (world / "display/twin").mkdir()
    (world / "display/twin/module.yaml").write_text(
        "role: display\nsummary: d\nbase: base/debian\nlike: display/xvfb\nprovides: [x11]\ncommand: [X]\n"
    )
    before = tag(world, "display/twin")
    (world / "display/xvfb/Containerfile").write_text("ARG BASE\nFROM ${BASE}\nUSER 0\n")
    assert tag(world, "display/twin") != before


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../secret", "../other/file"])
def test_a_link_out_of_the_folder(world: Path, target: str) -> None:
    (world / "display/xvfb/link").symlink_to(target)
    with pytest.raises(FileError, match="leads out of the module's folder") as caught:
        tag(world)
    assert "copy the file" in str(caught.value.hint)


def test_links_of_the_image_are_its_own(world: Path) -> None:
    (world / "display/xvfb/rootfs").mkdir()
    (world / "display/xvfb/rootfs/link").symlink_to("/etc/passwd")
    (world / "display/xvfb/beside").symlink_to("Containerfile")
    assert tag(world)


def test_the_first_folder_wins(world: Path, tmp_path: Path) -> None:
    own = tmp_path / "own/display/xvfb"
    own.mkdir(parents=True)
    (own / "module.yaml").write_text("role: display\nsummary: mine\nbase: base/debian\nprovides: [x11]\ncommand: [X]\n")
    assert Catalog([tmp_path / "own", world]).module("display/xvfb").contract.summary == "mine"


def test_role_and_folder_must_agree(world: Path) -> None:
    (world / "viewer/x11vnc/module.yaml").write_text("role: app\nsummary: a\nbase: base/debian\ncommand: [a]\n")
    with pytest.raises(FileError, match="lies in the folder viewer"):
        Catalog([world]).module("viewer/x11vnc")


@pytest.mark.parametrize("id", Catalog([shipped("modules")]).ids)
def test_every_shipped_module_is_whole(id: str) -> None:
    catalog = Catalog([shipped("modules")])
    found = catalog.module(id)
    assert catalog.tag(id)
    for interface in [*found.contract.provides, *found.contract.requires, *found.contract.uses]:
        assert interface in catalog.interfaces
    assert found.contract.capabilities == []
    assert found.contract.devices == []
    assert found.contract.summary[0].isupper() or found.contract.summary.startswith("x11vnc")


def test_unknown(world: Path) -> None:
    with pytest.raises(ResolveError):
        Catalog([world]).module("display/none")
