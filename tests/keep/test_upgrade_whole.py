"""`modulux upgrade` as a person runs it, every image built anew: once with what is drawn, once with a session that draws nothing."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from tests.support.cli import ROOT, Cli

from modulux.keep.likeness import likeness

pytestmark = [pytest.mark.engine, pytest.mark.slow]

NAME = "t-whole"
KEPT = re.compile(r"\.[0-9a-f]{8}$")
TAGS = ["images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}", "--filter", "reference=localhost/modulux/*/*"]


def test_upgraded_and_not_upgraded(cli: Cli, tmp_path: Path) -> None:
    session = tmp_path / "modules/session/openbox"  # hides the shipped one
    shutil.copytree(ROOT / "modules/session/openbox", session)
    (session / "rootfs/usr/share/modulux/edition").write_text("first\n")
    (tmp_path / "password").write_text("open sesame\n")
    (tmp_path / "desktop.yaml").write_text(f"name: {NAME}\ndisplay: xvfb\nsessions: [openbox]\napps: [terminal]\n")
    flags = ["--to", str(tmp_path / "repository"), "--password-file", str(tmp_path / "password"), "--yes"]
    own = replace(cli, env={**cli.env, "MODULUX_MODULES": str(tmp_path / "modules")})
    tags = dict(line.split() for line in own.native(*TAGS).splitlines())

    def edition() -> str:
        return own.inside(NAME, "openbox", "cat /usr/share/modulux/edition").strip()

    def picture(name: str) -> Image.Image:
        own.run("screenshot", NAME, "-o", str(tmp_path / f"{name}.png"))
        with Image.open(tmp_path / f"{name}.png") as found:
            return found.convert("RGB")

    try:
        own.run("up", str(tmp_path / "desktop.yaml"), "--yes")
        own.inside(NAME, "openbox", "echo mine >~/Documents/mine")
        (session / "rootfs/usr/share/modulux/edition").write_text("second\n")
        done = json.loads(own.run("upgrade", NAME, *flags, "--json", timeout=1800).stdout)
        assert edition() == "second"
        assert "session/openbox" in done["packages"] or "app/terminal" in done["packages"]
        second = picture("second")

        script = session / "rootfs/usr/lib/modulux/openbox"
        script.write_text("#!/bin/sh\nexec sleep infinity\n")
        (session / "rootfs/usr/share/modulux/edition").write_text("third\n")
        said = own.run("upgrade", NAME, *flags, status=8, timeout=1800).stderr
        assert "does not come up" in said
        assert "as it was before" in said
        assert edition() == "second"
        assert likeness(second, picture("after")).alike
        assert own.inside(NAME, "openbox", "cat ~/Documents/mine") == "mine\n"
        assert not [line for line in own.native(*TAGS).splitlines() if line.split()[0].endswith(".new")]
    finally:
        own.run("down", NAME, "--volumes", "--yes", status=None)
        as_they_were(own, tags)
    assert own.left(NAME) == []


def as_they_were(cli: Cli, tags: dict[str, str]) -> None:
    """Give the names of images that others use back to what they were; what was built for this test goes."""
    gone = []
    for line in cli.native(*TAGS).splitlines():
        reference, id = line.split()
        if tags.get(reference, id) != id:
            cli.native("tag", tags[reference], reference)
            gone.append(id)
        elif reference not in tags and ("session/openbox:" in reference or KEPT.search(reference)):
            gone.append(reference)
    for _ in range(4):  # those that others are built on go last
        for what in gone:
            cli.native("rmi", what, check=False)
