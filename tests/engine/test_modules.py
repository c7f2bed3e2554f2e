"""The shipped modules' own tests inside running desktops, and new modules from skeleton to verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.cli import Cli

from modulux.engine.choose import choose
from modulux.modules.check import own_tests
from modulux.paths import shipped
from modulux.resolve.catalog import Catalog

pytestmark = pytest.mark.engine


@pytest.fixture
def passes(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Run a shipped module's own tests inside a desktop; every one must pass, and there must be some."""
    for name, value in cli.env.items():
        monkeypatch.setenv(name, value)
    catalog = Catalog([shipped("modules")])

    def run(desktop: str, id: str) -> None:
        found = catalog.module(id)
        verdicts = list(own_tests(choose(cli.engine, runtime=None, ulimits={}), found, f"modulux.{desktop}.{found.name}"))
        assert verdicts, f"{id} has no tests of its own"
        assert [v for v in verdicts if not v.passed] == []

    return run


@pytest.mark.parametrize("id", ["display/xvfb", "viewer/x11vnc", "session/xfce", "app/terminal", "gateway/web"])
def test_of_the_default_desktop(passes: Callable[[str, str], None], xfce: str, id: str) -> None:
    passes(xfce, id)


def test_openbox_and_a_program_of_debian_12(
    cli: Cli, desktop_file: Callable[..., Path], passes: Callable[[str, str], None]
) -> None:
    cli.run("up", str(desktop_file("t-old", apps="[gnome-paint]")), "--yes")
    passes("t-old", "session/openbox")
    passes("t-old", "app/gnome-paint")


def test_firefox_has_its_own_sandbox(cli: Cli, desktop_file: Callable[..., Path], passes: Callable[[str, str], None]) -> None:
    cli.run("up", str(desktop_file("t-firefox", apps="[firefox]")), "--yes", timeout=1200)
    assert cli.inside("t-firefox", "firefox", "/usr/lib/modulux/floor") == ""
    passes("t-firefox", "app/firefox")


def test_a_skeleton_builds_and_passes_its_own_test(cli: Cli, tmp_path: Path) -> None:
    cli.run("module", "new", "app/mine", "--in", str(tmp_path))
    verdicts = cli.json("module", "check", str(tmp_path / "app/mine"), "--yes")
    assert [v for v in verdicts if not v["passed"]] == []
    assert {"image builds", "gets ready in a desktop", "security floor, from inside", "tests/works"} <= {
        v["what"] for v in verdicts
    }
    assert cli.left("module-check") == []


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("Containerfile", "FROM debian\n", "Containerfile begins with"),
        ("Containerfile", "ARG BASE\nFROM ${BASE}\nUSER root\n", "Containerfile ends as user 1000"),
        ("tests/works", "#!/bin/sh\necho it does not; exit 1\n", "tests/works"),
    ],
)
def test_a_bad_module_is_told_so(cli: Cli, tmp_path: Path, file: str, text: str, says: str) -> None:
    folder = tmp_path / "app/bad"
    folder.mkdir(parents=True)
    (folder / "tests").mkdir()
    (folder / "module.yaml").write_text(
        "role: app\nsummary: bad\nbase: base/debian-13\ncommand: [sleep, '1000']\nready: {timeout: 10s}\n"
    )
    (folder / "Containerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    (folder / file).write_text(text)
    (folder / file).chmod(0o755)
    done = cli.run("module", "check", str(folder), "--yes", status=1)
    assert f"FAIL  {says}" in done.stdout
    assert cli.left("module-check") == []
