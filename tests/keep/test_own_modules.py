"""A desktop with a module of its owner's own, kept with its images, comes back where neither is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.cli import Cli

pytestmark = [pytest.mark.engine, pytest.mark.slow]

NAME = "t-own"
BADGE = "app/badge"


def test_modules_and_images_come_from_the_snapshot(
    cli: Cli, own_modules: Callable[[str, str, str], Path], tmp_path: Path
) -> None:
    modules = own_modules(
        "badge",
        "requires: [x11]\nuses: [home]\ncommand: [/usr/lib/modulux/badge]\n",
        "COPY rootfs/ /\nUSER 0\nRUN date +%N >/built\nUSER 1000",
    )
    script = modules / "app/badge/rootfs/usr/lib/modulux/badge"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\nexec sleep infinity\n")
    script.chmod(0o755)
    (tmp_path / "password").write_text("open sesame\n")
    (tmp_path / "desktop.yaml").write_text(f"name: {NAME}\ndisplay: xvfb\nsessions: [openbox]\napps: [badge]\n")
    flags = ["--to", str(tmp_path / "repository"), "--password-file", str(tmp_path / "password"), "--yes"]
    here = replace(cli, env={**cli.env, "MODULUX_MODULES": str(modules), "XDG_DATA_HOME": str(tmp_path / "here")})
    elsewhere = replace(cli, env={**cli.env, "XDG_DATA_HOME": str(tmp_path / "elsewhere")})
    places = tmp_path / "elsewhere/modulux/desktops"

    def image() -> str:
        name = "{{.ImageName}}" if cli.engine == "podman" else "{{.Config.Image}}"
        return cli.native("inspect", "--format", name + " {{.Image}}", f"modulux.{NAME}.badge").strip()

    reference = ""
    try:
        here.run("up", str(tmp_path / "desktop.yaml"), "--yes")
        here.inside(NAME, "openbox", "echo mine >~/Documents/mine")
        before, built = image(), here.inside(NAME, "badge", "cat /built")
        reference = before.split()[0]
        kept = json.loads(here.run("backup", NAME, "--with-images", *flags, "--json").stdout)
        assert kept["images"]
        again = json.loads(here.run("backup", NAME, "--with-images", *flags, "--json").stdout)
        assert (again["images"], again["added"] < 1_000_000) == (kept["images"], True)
        here.run("down", NAME, "--volumes", "--yes")
        cli.native("rmi", "--force", reference)
        modules.rename(tmp_path / "away")

        said = elsewhere.run("restore", NAME, *flags).stderr
        assert BADGE in said
        assert image() == before  # it was loaded, and not built
        assert elsewhere.inside(NAME, "badge", "cat /built") == built
        assert elsewhere.inside(NAME, "openbox", "cat ~/Documents/mine") == "mine\n"
        script = places / NAME / "modules" / BADGE / "rootfs/usr/lib/modulux/badge"
        assert script.stat().st_mode & 0o111
        assert not (places / NAME / "modules/base").exists()  # what is shipped is not kept

        elsewhere.run("down", NAME)
        elsewhere.run("up", NAME, "--yes")
        elsewhere.run("backup", NAME, *flags)  # now from there
        a_copy_comes_and_goes(elsewhere, places / "t-own2", tmp_path / "file")
        empty = replace(cli, env={**cli.env, "XDG_DATA_HOME": str(tmp_path / "third")})
        checks = json.loads(empty.run("verify", NAME, "--boot", *flags, "--json").stdout)["checks"]
        assert all(check["passed"] for check in checks), checks
        assert list((tmp_path / "third/modulux/desktops").iterdir()) == []
    finally:
        for name in (NAME, "t-own2"):
            cli.run("down", name, "--volumes", "--yes", status=None)
        if reference:
            cli.native("rmi", "--force", reference, check=False)
    assert cli.left(NAME) == cli.left("t-own2") == []


def a_copy_comes_and_goes(cli: Cli, place: Path, file: Path) -> None:
    """Its modules go with its data, and not before; then another may come under its name."""
    cli.run("clone", NAME, "t-own2", "--no-start")
    cli.run("up", "t-own2", "--yes")
    assert cli.inside("t-own2", "openbox", "cat ~/Documents/mine") == "mine\n"
    cli.run("export", NAME, "-o", str(file), "--without-images", "--without-data")
    again = ["import", str(file), "--as", "t-own2"]
    assert "already" in cli.run(*again, status=10).stderr
    cli.run("down", "t-own2")
    assert (place / "modules" / BADGE).is_dir()
    cli.run("down", "t-own2", "--volumes", "--yes")
    assert not place.exists()
    cli.run(*again)
    assert (place / "desktop.yaml").is_file()
