"""Desktops on Wayland: what one sees, what one types, a size that is asked for, and nothing that listens where it should not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from tests.support.cli import Cli

from modulux.rfb import Client, open_pipe

pytestmark = [pytest.mark.engine, pytest.mark.one_engine]

DESKTOPS = {
    "t-wayland": "display: wayland\nsessions: [labwc]\napps: [terminal, foot]\n",
    "t-sway": "sessions: [sway]\napps: [foot]\n",
    "t-gnome-wayland": "display: xvfb\nsessions: [gnome-wayland]\nservices: [login1]\napps: [terminal, foot]\n",
    "t-plasma-wayland": "display: xvfb\nsessions: [plasma-wayland]\napps: [terminal, foot]\n",
}

CLOCKS = {"t-gnome-wayland": (560, 0, 720, 32), "t-plasma-wayland": (1150, 764, 1240, 800)}
"""Where the clock is (left, top, right, bottom), if not at the right of the upper edge."""

SIZED = {"t-wayland": ("wayland", "labwc"), "t-sway": ("sway", "sway"), "t-plasma-wayland": ("xvfb", "plasma-wayland")}
"""The module that changes the size, and the screen's name. GNOME's nested compositor cannot: `docs/decisions/wayland.md`."""


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
    assert len(picture.crop(CLOCKS.get(wayland, (900, 0, 1280, 30))).getcolors(1 << 20) or []) > 12, "no clock"
    assert len(picture.getcolors(1 << 20) or []) > 500, "nothing but a colour"


def test_the_picture_is_never_an_old_one(cli: Cli, wayland: str, tmp_path: Path) -> None:
    """A viewer that slept while nobody looked would first show what was there when the last one went."""
    if wayland not in SIZED:
        assert "keeps the size that it began with" in cli.run("resize", wayland, "1000x700", status=None).stderr
        assert shot(cli, wayland, tmp_path / "same.png").size == (1280, 800)
        return
    module, screen = SIZED[wayland]
    before = shot(cli, wayland, tmp_path / "before.png")
    for size in ((1000, 700), (1280, 800)):
        asked = f"printf '{size[0]}x{size[1]}\\n' | nc -N -U /run/modulux/resize/{screen}.sock"
        assert cli.inside(wayland, module, asked).strip() == "ok"
        time.sleep(1)
        after = shot(cli, wayland, tmp_path / "after.png")
        assert after.size == size
    assert before.size == after.size


def test_what_is_typed_arrives_in_a_terminal_of_wayland(cli: Cli, wayland: str) -> None:
    """The window that opened last has the keyboard; both terminals write into the same home."""
    viewer = next(row["container"] for row in cli.json("ps", wayland) if row["role"] == "viewer")
    socket = cli.inside(wayland, viewer.rpartition(".")[2], "echo /run/modulux/rfb/*.sock").strip()
    with Client(open_pipe([str(cli.engine), "exec", "-i", viewer, "nc", "-U", socket])) as client:
        for buttons in (0, 1, 0):
            client.pointer(660, 400, buttons)
        time.sleep(1)
        for letter in "echo typed >~/arrived\n":
            for down in (True, False):
                client.key(0xFF0D if letter == "\n" else ord(letter), down)
            time.sleep(0.03)
        deadline = time.monotonic() + 20
        while cli.inside(wayland, "foot", "cat ~/arrived 2>/dev/null; true").strip() != "typed":
            assert time.monotonic() < deadline, "nothing arrived"
            time.sleep(0.3)


def test_programs_of_both_kinds_are_windows_of_it(cli: Cli, wayland: str) -> None:
    """Nothing of the display that a nested compositor fills is seen by an application."""
    if "terminal" not in containers(cli, wayland):
        pytest.skip("no program of X")
    names = cli.inside(
        wayland, "terminal", "xprop -root _NET_CLIENT_LIST | grep -o '0x[0-9a-f]*' | xargs -n 1 xprop WM_CLASS -id"
    )
    assert "Xfce4-terminal" in names
    assert "matchbox" not in names
