"""A viewer with a web page of its own, seen through the gateway: beside the ordinary one, and alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from playwright.sync_api import sync_playwright
from tests.support.cli import Cli

pytestmark = [pytest.mark.engine, pytest.mark.web, pytest.mark.one_engine]

NAME = "t-own-page"


def test_xpras_page_types_into_a_file(cli: Cli, desktop_file: Callable[..., Path], tmp_path: Path) -> None:
    cli.run("up", str(desktop_file(NAME, viewer="[x11vnc, xpra]", apps="[terminal]")), "--yes", timeout=1500)
    link = cli.json("open", NAME)["browser"]
    own = link.partition("/open")[0] + "/page/openbox.xpra/"
    with pytest.raises(HTTPError, match="403"):
        urlopen(own)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1300, "height": 850})
        page.goto(link)
        entry = page.get_by_text("openbox: xpra")
        entry.wait_for(state="attached", timeout=30_000)
        assert entry.get_attribute("href") == "/page/openbox.xpra/"
        assert page.request.get(own.replace("openbox.xpra", "openbox.nothing")).status == 404
        cli.run("swap", NAME, "viewer=xpra")
        page.goto(link.partition("/open")[0] + "/")
        assert page.url.endswith("/page/openbox.xpra/")
        deadline = time.monotonic() + 60
        while "typed" not in cli.inside(NAME, "terminal", "cat ~/Documents/own 2>/dev/null; true"):
            assert time.monotonic() < deadline
            page.mouse.click(600, 400)
            page.keyboard.type("echo typed > ~/Documents/own\n", delay=20)
            time.sleep(2)
        browser.close()
