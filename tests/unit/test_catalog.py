"""Modules on disk, and their tags."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from modulux.errors import FileError, ResolveError
from modulux.paths import shipped
from modulux.resolve.catalog import Catalog

LOWER = {"x11vnc", "mpv", "foot", "wlroots", "labwc", "fcitx5", "wayvnc"}
"""Names of programs that are written with a small first letter."""


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


def test_of_several_that_it_is_like_the_first_wins(world: Path) -> None:
    (world / "display/twin").mkdir()
    (world / "display/twin/module.yaml").write_text(
        "role: display\nsummary: d\nbase: base/debian\nlike: [app/terminal, display/xvfb]\nprovides: [x11]\ncommand: [X]\n"
    )
    folders = [folder.relative_to(world) for folder in Catalog([world]).folders("display/twin")]
    assert folders == [Path("display/twin"), Path("app/terminal"), Path("display/xvfb")]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../secret", "../other/file"])
def test_a_link_out_of_the_folder(world: Path, target: str) -> None:
    (world / "display/xvfb/link").symlink_to(target)
    with pytest.raises(FileError, match="leads out of the module's folder") as caught:
        tag(world)
    assert "copy the file" in str(caught.value.hint)


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_what_is_no_file(world: Path, kind: str) -> None:
    path = world / "display/xvfb/rootfs/strange"
    path.parent.mkdir()
    if kind == "pipe":
        os.mkfifo(path)
    else:
        os.mknod(path, stat.S_IFSOCK | 0o600)
    with pytest.raises(FileError, match="neither a file nor a folder") as caught:
        tag(world)
    assert caught.value.file == str(path)


@pytest.mark.parametrize("target", ["/etc", "other"])
def test_the_rootfs_is_no_link(world: Path, target: str) -> None:
    (world / "display/xvfb/other").mkdir()
    (world / "display/xvfb/rootfs").symlink_to(target)
    with pytest.raises(FileError, match="must be a folder"):
        tag(world)


def test_a_folder_that_is_a_link_out_of_its_root(world: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    (world / "app/terminal").rename(real)
    (world / "app/terminal").symlink_to(real)
    with pytest.raises(FileError, match="leads out of the folder of modules") as caught:
        tag(world, "app/terminal")
    assert "--modules" in str(caught.value.hint)


def test_a_folder_that_is_a_link_within_its_root(world: Path) -> None:
    (world / "app/twin").symlink_to("terminal")
    assert tag(world, "app/twin") == tag(world, "app/terminal")


@pytest.mark.parametrize("key", ["base", "like"])
def test_a_contract_that_names_an_unknown_module(world: Path, key: str) -> None:
    file = world / "app/terminal/module.yaml"
    keys = {"base": "base/debian", key: "app/none"}
    file.write_text("role: app\nsummary: a\ncommand: [a]\n" + "".join(f"{k}: {v}\n" for k, v in keys.items()))
    with pytest.raises(ResolveError, match="unknown module `app/none`") as caught:
        tag(world, "app/terminal")
    assert (caught.value.file, caught.value.line) == (str(file), 3 + len(keys))


def test_a_profile_lies_in_the_folder(world: Path) -> None:
    file = world / "app/terminal/module.yaml"
    (world / "outside.json").write_text("{}")
    file.write_text(file.read_text() + "seccomp: ../../outside.json\n")
    with pytest.raises(FileError, match="`seccomp`"):
        Catalog([world]).module("app/terminal")


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


CARD = ["/dev/dri", "/dev/input"]
HARDWARE = {
    "audio/alsa": ["/dev/snd"],
    "display/xorg": CARD,
    "display/wayland-card": CARD,
    "service/installer": ["/dev/disks"],
    "service/media": ["/dev/sticks"],
    "service/serial-installer": ["/dev/disks", "/dev/ttyS0"],
    "service/serial-login": ["/dev/ttyS0"],
}
"""The only modules that get devices."""

TERMINALS = {"display/xorg", "display/wayland-card", "service/installer", "service/login"}
"""The only modules that get a virtual terminal; on a machine alone."""

RIGHTS = {"service/network": ["NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE"], "service/time": ["SYS_TIME"]}
"""The only modules that get capabilities; on a machine alone."""


@pytest.mark.parametrize("id", Catalog([shipped("modules")]).ids)
def test_every_shipped_module_is_whole(id: str) -> None:
    catalog = Catalog([shipped("modules")])
    found = catalog.module(id)
    assert catalog.tag(id)
    taken = [name for choice in found.contract.requires for name in choice.split(" | ")]
    for interface in [*found.contract.provides, *taken, *found.contract.uses]:
        assert interface in catalog.interfaces
    assert found.contract.capabilities == RIGHTS.get(id, [])
    assert found.contract.network != "machine" or id in RIGHTS
    assert found.contract.devices == HARDWARE.get(id, [])
    assert found.contract.terminal == (id in TERMINALS)
    # names of programs keep their small letter
    assert found.contract.summary[0].isupper() or found.contract.summary.split()[0].strip(",") in LOWER


def test_unknown(world: Path) -> None:
    with pytest.raises(ResolveError):
        Catalog([world]).module("display/none")
