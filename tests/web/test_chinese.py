"""Chinese typed in a real browser, through the gateway, an input method and an editor in containers of their own, into a file."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from tests.support.browser import connected
from tests.support.cli import Cli
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.engine, pytest.mark.web, pytest.mark.one_engine]

NAME = "t-web-chinese"
TITLES = "for w in $(xprop -root _NET_CLIENT_LIST | grep -o '0x[0-9a-f]*'); do xprop -id $w _NET_WM_NAME; done"


def types(page: Page, keys: str) -> None:
    """With the pauses that an input method needs to show what it would write."""
    page.keyboard.type(keys, delay=100)
    time.sleep(1)


def test_what_is_typed_in_the_browser_is_in_the_editors_file(
    cli: Cli, desktop_file: Callable[..., Path], tmp_path: Path, browser: Browser
) -> None:
    keys = {"input-method": "{module: fcitx5, methods: pinyin}", "services": "[fonts]", "apps": "[geany]"}
    cli.run("up", str(desktop_file(NAME, **keys)), "--yes", timeout=1500)
    cli.inside(NAME, "geany", "geany ~/Documents/letter.txt")  # the one that runs opens it
    wait_for(lambda: "letter.txt" in cli.inside(NAME, "openbox", TITLES), "the editor shows the new file")
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    connected(page, cli.json("open", NAME)["browser"])
    page.mouse.click(700, 300)  # where the editor's text is
    time.sleep(1)
    page.keyboard.press("Control+Space")
    types(page, "nihao ")
    page.keyboard.press("Control+Space")
    types(page, " Modulux")
    page.screenshot(path=tmp_path / "typed.png")
    page.keyboard.press("Control+s")
    wait_for(lambda: cli.inside(NAME, "openbox", "cat ~/Documents/letter.txt", status=None), "the file is written")
    page.close()
    assert cli.inside(NAME, "openbox", "cat ~/Documents/letter.txt").rstrip("\n") == "你好 Modulux"
