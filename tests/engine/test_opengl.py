"""A program that draws by OpenGL, on X servers that have no OpenGL driver of their own: it draws in its own container."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from tests.support.cli import Cli

pytestmark = [pytest.mark.engine, pytest.mark.one_engine]

CONTRACT = """role: app
summary: three turning wheels
base: base/graphics
requires: [x11]
uses: [window-manager]
command: [glxgears]
network: none
"""


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    folder = tmp_path / "modules/app/wheels"
    folder.mkdir(parents=True)
    (folder / "module.yaml").write_text(CONTRACT)
    (folder / "Containerfile").write_text(
        "ARG BASE\nFROM ${BASE}\nUSER 0\nRUN /usr/lib/modulux/install mesa-utils\nUSER 1000:1000\n"
    )
    return tmp_path / "modules"


def colours(path: Path) -> set[str]:
    """Which of red, green and blue a thousandth of the picture or more is plainly of."""
    with Image.open(path) as picture:
        pixels = picture.convert("RGB").getcolors(1 << 24) or []
        enough = picture.width * picture.height / 1000
    count = dict.fromkeys("rgb", 0)
    for number, pixel in pixels:
        for name, own in zip("rgb", range(3), strict=True):
            others = [value for i, value in enumerate(pixel) if i != own]  # type: ignore[arg-type]
            count[name] += number if pixel[own] > 2 * max(others) + 40 else 0  # type: ignore[index]
    return {name for name, number in count.items() if number > enough}


@pytest.mark.parametrize("display", ["xvfb", "xdummy", "wayland"])
def test_it_draws(cli: Cli, desktop_file: Callable[..., Path], modules: Path, tmp_path: Path, display: str) -> None:
    keys = {"sessions": "[labwc]"} if display == "wayland" else {}
    file = desktop_file("t-opengl", display=display, apps="[wheels]", **keys)
    cli.run("up", str(file), "--modules", str(modules), "--yes", timeout=1500)
    said = cli.inside("t-opengl", "wheels", "glxinfo -B")
    assert "direct rendering: Yes" in said
    assert "llvmpipe" in said
    picture = tmp_path / "wheels.png"

    def drawn() -> bool:
        cli.run("screenshot", "t-opengl", "-o", str(picture))
        return colours(picture) == {"r", "g", "b"}

    deadline = time.monotonic() + 60
    while not drawn():
        assert time.monotonic() < deadline, "no red, green and blue wheels"
    # The server itself has not loaded the driver, and the compiler with it.
    cli.inside("t-opengl", display, "grep -l LLVM /proc/[0-9]*/maps", status=1)
