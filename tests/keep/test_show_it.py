"""The ready-made `xfce`, with files as a user writes them: kept, destroyed, brought back; on the other engine; carried offline."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image
from tests.support import machine
from tests.support.cli import ROOT, Cli

from modulux.keep.likeness import likeness

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(shutil.which("restic") is None, reason="needs restic"),
    pytest.mark.skipif(os.geteuid() != 0, reason="looks into volumes as root"),
]

NAME = "t-show-it"
WRITE = r"""
set -e
cd && mkdir -p Documents/letters work && echo 'Dear you' >Documents/letters/one.txt && chmod 600 Documents/letters/one.txt
ln Documents/letters/one.txt Documents/also && ln -s ../Documents/letters work/link && truncate -s 50M work/sparse
printf x >'work/two
lines' && head -c 3000000 /dev/urandom >Documents/picture.raw && touch -d 2001-02-03 work
"""
LISTING = r"""
cd && find Documents work -printf '%p %y %m %n %s %T@ %U %l\n' | sort && find Documents work -type f -exec sha256sum {} + | sort
stat -c %b work/sparse
"""


@dataclass
class Shown:
    """What was started on Podman, and what was kept of it."""

    folder: Path
    listing: str
    picture: Image.Image
    flags: list[str]

    def is_there(self, cli: Cli) -> None:
        """The same files, and the same picture."""
        assert cli.inside(NAME, "xfce", LISTING) == self.listing
        assert likeness(self.picture, seen(cli, self.folder)).alike
        assert {row["status"] for row in cli.json("ps", NAME)} == {"running"}


def seen(cli: Cli, folder: Path) -> Image.Image:
    cli.run("screenshot", NAME, "-o", str(folder / "shot.png"))
    with Image.open(folder / "shot.png") as picture:
        return picture.convert("RGB")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """It was kept and carried, and is destroyed."""
    podman, folder = Cli("podman"), tmp_path_factory.mktemp("show-it")
    (folder / "password").write_text("open sesame\n")
    desktop = (ROOT / "desktops/xfce.yaml").read_text().replace("name: xfce\n", f"name: {NAME}\n")
    (folder / "desktop.yaml").write_text(desktop)
    flags = ["--to", str(folder / "repository"), "--password-file", str(folder / "password"), "--yes"]
    try:
        podman.run("up", str(folder / "desktop.yaml"), "--yes")
        podman.inside(NAME, "xfce", WRITE)
        made = Shown(folder, podman.inside(NAME, "xfce", LISTING), seen(podman, folder), flags)
        podman.run("backup", NAME, *flags)
        podman.run("export", NAME, "-o", str(folder / "file"))
    finally:
        podman.run("down", NAME, "--volumes", "--yes", status=None)
    assert podman.left(NAME) == []
    return made


def test_destroyed_and_brought_back(cli: Cli, shown: Shown) -> None:
    """With Docker this is the second engine."""
    try:
        cli.run("restore", NAME, *shown.flags)
        shown.is_there(cli)
    finally:
        cli.run("down", NAME, "--volumes", "--yes", status=None)
    assert cli.left(NAME) == []


@pytest.mark.parametrize("engine", ["podman", "docker"])
@pytest.mark.skipif(machine.why_not() is not None, reason=str(machine.why_not()))
def test_carried_to_a_machine_without_a_network(shown: Shown, engine: str) -> None:
    with machine.machine(engine) as there:
        there.run("import", str(shown.folder / "file"))
        try:
            there.run("up", NAME)
            shown.is_there(there)
        finally:
            there.run("down", NAME, "--volumes", "--yes", status=None)
        assert there.left(NAME) == []
