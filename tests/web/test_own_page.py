"""A viewer with a web page of its own, seen through the gateway: beside the ordinary one, and alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page
from tests.support.cli import Cli

pytestmark = [pytest.mark.engine, pytest.mark.web, pytest.mark.one_engine]

NAME = "t-own-page"


def types_into_a_file(cli: Cli, name: str, page: Page) -> None:
    """What is typed on the page arrives in a file of the terminal's."""
    deadline = time.monotonic() + 150  # a busy computer starts Xpra slowly
    while "typed" not in cli.inside(name, "terminal", "cat ~/Documents/own 2>/dev/null; true"):
        assert time.monotonic() < deadline
        page.mouse.click(600, 400)
        page.keyboard.type("echo typed > ~/Documents/own\n", delay=20)
        time.sleep(2)


def test_xpras_page_types_into_a_file(cli: Cli, desktop_file: Callable[..., Path], tmp_path: Path, browser: Browser) -> None:
    cli.run("up", str(desktop_file(NAME, viewer="[x11vnc, xpra]", apps="[terminal]")), "--yes", timeout=1500)
    link = cli.json("open", NAME)["browser"]
    own = link.partition("/open")[0] + "/page/openbox.xpra/"
    with pytest.raises(HTTPError, match="403"):
        urlopen(own)
    page = browser.new_page(viewport={"width": 1300, "height": 850})
    page.goto(link)
    entry = page.get_by_text("openbox: xpra")
    entry.wait_for(state="attached", timeout=30_000)
    assert entry.get_attribute("href") == "/page/openbox.xpra/"
    assert page.request.get(own.replace("openbox.xpra", "openbox.nothing")).status == 404
    cli.run("swap", NAME, "viewer=xpra")
    page.goto(link.partition("/open")[0] + "/")
    assert page.url.endswith("/page/openbox.xpra/")
    types_into_a_file(cli, NAME, page)
    page.close()


def test_a_screen_of_xpras_takes_the_size_of_the_page(
    cli: Cli, desktop_file: Callable[..., Path], tmp_path: Path, browser: Browser
) -> None:
    name = "t-xpra-page"
    cli.run("up", str(desktop_file(name, display="xpra", apps="[terminal]")), "--yes", timeout=1500)
    link = cli.json("open", name)["browser"]
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(link)
    page.goto(link.partition("/open")[0] + "/page/openbox.xpra/")
    types_into_a_file(cli, name, page)
    for width, height in ((1444, 900), (1280, 800)):
        page.set_viewport_size({"width": width, "height": height})
        deadline = time.monotonic() + 30
        while f"current {width} x {height}" not in cli.inside(name, "xpra", "xrandr"):
            assert time.monotonic() < deadline
            time.sleep(0.5)
    page.screenshot(path=tmp_path / "page.png")
    menu = page.locator("#float_menu").bounding_box()
    assert menu
    assert menu["x"] > 200  # where no session has its own
    page.close()
