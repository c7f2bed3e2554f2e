"""Desktops on Wayland: what one sees, what one types, a size that is asked for, and nothing that listens where it should not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from tests.support.cli import Cli

pytestmark = [pytest.mark.engine, pytest.mark.one_engine]

DESKTOPS = {
    "t-wayland": "display: wayland\nsessions: [labwc]\napps: [terminal, foot]\n",
    "t-sway": "sessions: [sway]\napps: [foot]\n",
}


@pytest.fixture(scope="module", params=DESKTOPS)
def wayland(request: pytest.FixtureRequest, cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A whole Wayland desktop; its name."""
    name = str(request.param)
    path = tmp_path_factory.mktemp(name) / "desktop.yaml"
    path.write_text(f"name: {name}\nscreen: 1280x800\n{DESKTOPS[name]}")
    cli.run("up", str(path), "--yes", timeout=3000)
    yield name
    cli.run("down", name, "--volumes", "--yes")
    assert cli.left(name) == []


def containers(cli: Cli, desktop: str) -> list[str]:
    return [row["container"].rpartition(".")[2] for row in cli.json("ps", desktop)]


def shot(cli: Cli, desktop: str, path: Path) -> Image.Image:
    cli.run("screenshot", desktop, "-o", str(path))
    with Image.open(path) as picture:
        return picture.convert("RGB")


def test_the_floor_holds_in_every_module(cli: Cli, wayland: str) -> None:
    for module in containers(cli, wayland):
        assert cli.run("exec", wayland, module, "--", "/usr/lib/modulux/floor").stdout == ""


def test_what_modules_say_of_themselves(cli: Cli, wayland: str) -> None:
    modules = Path(__file__).resolve().parents[2] / "modules"
    for row in cli.json("ps", wayland):
        for script in sorted((modules / row["module"] / "tests").glob("*")):
            if row["role"] in ("display", "viewer", "session") or row["module"] == "app/foot":
                cli.inside(wayland, row["container"].rpartition(".")[2], script.read_text())


def test_a_bar_a_wallpaper_and_a_terminal(cli: Cli, wayland: str, tmp_path: Path) -> None:
    picture = shot(cli, wayland, tmp_path / "shot.png")
    assert picture.size == (1280, 800)
    assert len(picture.crop((900, 0, 1280, 30)).getcolors(1 << 20) or []) > 40, "no clock"
    assert len(picture.getcolors(1 << 20) or []) > 500, "nothing but a colour"


def test_the_picture_is_never_an_old_one(cli: Cli, wayland: str, tmp_path: Path) -> None:
    """A viewer that slept while nobody looked would first show what was there when the last one went."""
    before = shot(cli, wayland, tmp_path / "before.png")
    socket = f"/run/modulux/resize/{'labwc' if wayland == 't-wayland' else 'sway'}.sock"
    module = "wayland" if wayland == "t-wayland" else "sway"
    for size in ((1000, 700), (1280, 800)):
        assert cli.inside(wayland, module, f"printf '{size[0]}x{size[1]}\\n' | nc -N -U {socket}").strip() == "ok"
        time.sleep(1)
        after = shot(cli, wayland, tmp_path / "after.png")
        assert after.size == size
    assert before.size == after.size
