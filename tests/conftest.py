"""Real engines: each test here runs on Podman and on Docker, with images that are built once and carried from one to the other."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support.cli import Cli
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

ENGINES = ["podman", "docker"]
DESKTOPS = ["xfce", "openbox", "mixed"]
WITHOUT_ENGINE = tuple(f"tests/keep/test_{name}.py" for name in ("bad_luck", "files", "parts", "remote", "schedule"))
BESIDE = ("tests/unit/", "tests/carry/", "tests/machine/", "tests/storage/", "tests/engine/test_rootless.py", *WITHOUT_ENGINE)
"""Tests that keep out of the engines' way, so that they may run beside all others (`pytest -n 2`)."""


class Lots(LoadScopeScheduling):  # type: ignore[misc]
    """Tests in two lots, each of which one process runs from its beginning to its end."""

    def _split_scope(self, nodeid: str) -> str:
        return "beside" if nodeid.startswith(BESIDE) else "engines"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Lots:
    return Lots(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is slow runs only when it is asked for, by `-m slow` or by its name.

    What is about a module and not about an engine runs on Podman alone: its image would have to be carried to the other.
    """
    if not config.option.markexpr and not config.option.keyword and not any("::" in word for word in config.args):
        slow = [i for i in items if i.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [i for i in items if i not in slow]
    for item in [i for i in items if i.get_closest_marker("one_engine")]:
        call = getattr(item, "callspec", None)
        if call is not None and call.params.get("cli") == "docker":
            items.remove(item)


@pytest.fixture(scope="session", params=ENGINES)
def cli(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The command line on an engine that works and has the images of the ready-made desktops."""
    podman = Cli("podman")
    for desktop in DESKTOPS:
        podman.run("build", "--desktop", desktop, "--yes", timeout=3000)
    if request.param == "podman":
        yield podman
        return
    from tests.support.dockerd import dockerd

    with dockerd(tmp_path_factory.mktemp("dockerd")) as environment:
        docker = Cli("docker", environment)
        carry(podman, docker)
        yield docker


def carry(source: Cli, target: Cli, desktops: Sequence[str] = DESKTOPS) -> None:
    """Load the desktops' images that Podman has into another engine; the same names, so that nothing is built twice."""
    wanted = {row["image"] for d in desktops for row in source.json("build", "--desktop", d)}
    save = subprocess.Popen(["podman", "save", "--multi-image-archive", *sorted(wanted)], stdout=subprocess.PIPE)
    command = target.command([str(target.engine), "load"])
    load = subprocess.run(command, stdin=save.stdout, env=target.environment(), capture_output=True, check=False)
    assert save.wait() == 0
    assert load.returncode == 0, load.stderr


@pytest.fixture
def desktop_file(tmp_path: Path, request: pytest.FixtureRequest, cli: Cli) -> Iterator[Callable[..., Path]]:
    """Write a desktop file; the desktop is taken away again with all its data after the test."""
    names: list[str] = []

    def write(name: str, **keys: str) -> Path:
        names.append(name)
        fields = {"display": "xvfb", "sessions": "[openbox]", **keys}
        path = tmp_path / f"{name}.yaml"
        path.write_text(f"name: {name}\n" + "".join(f"{k}: {v}\n" for k, v in fields.items()))
        return path

    yield write
    for name in dict.fromkeys(names):
        cli.run("down", name, "--volumes", "--yes", status=None)
        assert cli.left(name) == []


@pytest.fixture(scope="module")
def xfce(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A whole Xfce desktop that the tests of a file share; its name."""
    path = tmp_path_factory.mktemp("xfce") / "desktop.yaml"
    path.write_text("name: t-xfce\ndisplay: xvfb\nsessions: [xfce]\napps: [terminal]\n")
    cli.run("up", str(path), "--yes")
    yield "t-xfce"
    cli.run("down", "t-xfce", "--volumes", "--yes")
    assert cli.left("t-xfce") == []


@pytest.fixture
def xfce_file(xfce: str, tmp_path: Path) -> Path:
    """The file that `xfce` was started from, to be changed."""
    path = tmp_path / "desktop.yaml"
    path.write_text(f"name: {xfce}\ndisplay: xvfb\nsessions: [xfce]\napps: [terminal]\n")
    return path


@pytest.fixture
def own_modules(tmp_path: Path) -> Callable[[str, str, str], Path]:
    """Write an app module of the test's own: name, lines of module.yaml, the Containerfile's own lines."""

    def write(name: str, contract: str, recipe: str = "") -> Path:
        folder = tmp_path / "modules/app" / name
        folder.mkdir(parents=True)
        (folder / "module.yaml").write_text(f"role: app\nsummary: {name} for a test\nbase: base/debian-13\n{contract}")
        (folder / "Containerfile").write_text(f"ARG BASE\nFROM ${{BASE}}\n{recipe}\n")
        return tmp_path / "modules"

    return write
