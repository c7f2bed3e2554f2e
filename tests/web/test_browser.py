"""A person's way: the link, in a real browser, the desktop, typing into a terminal."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Browser, Page
from tests.support.browser import connected
from tests.support.cli import Cli
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.engine, pytest.mark.web]


def colours(page: Page) -> int:
    """Distinct colours in a coarse grid over the canvas."""
    return int(
        page.evaluate(
            """() => {
                const canvas = document.querySelector('#screen canvas');
                if (!canvas || !canvas.width) return 0;
                const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
                const seen = new Set();
                for (let i = 0; i < data.length; i += 4 * 97) seen.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
                return seen.size;
            }"""
        )
    )


def test_the_link_opens_the_desktop_and_what_is_typed_arrives(cli: Cli, xfce: str, browser: Browser) -> None:
    link = cli.json("open", xfce)["browser"]
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    connected(page, link)
    page.mouse.click(700, 450)  # into the terminal, at once: nothing of the page may stand before it
    early = f"early-{time.time_ns()}"
    page.keyboard.type(f"echo {early} > ~/Documents/early\n", delay=20)
    wait_for(lambda: colours(page) > 50, "the desktop is drawn in the browser")
    wait_for(
        lambda: early in cli.inside(xfce, "terminal", "cat ~/Documents/early", status=None), "what was typed first arrives"
    )
    assert xfce in page.title()
    assert "token" not in page.url
    word = f"typed-{time.time_ns()}"
    page.mouse.click(700, 450)  # into the terminal
    page.keyboard.type(f"echo {word} > ~/Documents/typed\n", delay=20)
    wait_for(
        lambda: word in cli.inside(xfce, "terminal", "cat ~/Documents/typed", status=None), "the typed text arrives in a file"
    )
    assert failures == []
    cookie = next(c for c in context.cookies() if xfce in c["name"])
    assert cookie["httpOnly"]
    assert cookie["sameSite"] in {"Strict", "Lax"}
    context.close()


def test_a_link_is_good_once(cli: Cli, xfce: str, browser: Browser) -> None:
    link = cli.json("open", xfce)["browser"]
    first, second = browser.new_context(), browser.new_context()
    assert first.new_page().goto(link).ok  # type: ignore[union-attr]
    page = second.new_page()
    response = page.goto(link)
    assert response
    assert response.status == 403
    assert f"modulux open {xfce}" in page.inner_text("body")
    assert page.goto(link.partition("/open")[0] + "/").status == 403  # type: ignore[union-attr]
    first.close()
    second.close()


def test_the_page_comes_back_when_the_gateway_does(cli: Cli, xfce: str, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(cli.json("open", xfce)["browser"])
    wait_for(lambda: colours(page) > 50, "the desktop is drawn in the browser")
    cli.kill(xfce, "x11vnc")
    wait_for(lambda: page.get_attribute("body", "data-state") != "connected", "the page sees the viewer go")
    wait_for(lambda: page.get_attribute("body", "data-state") == "connected", "the page is connected again")
    wait_for(lambda: colours(page) > 50, "the desktop is drawn again")
    context.close()


@pytest.mark.one_engine
def test_a_part_of_the_page_that_is_lost_on_the_way_is_asked_for_again(cli: Cli, xfce: str, browser: Browser) -> None:
    page = browser.new_page()
    page.route("**/rfb.js", lambda route: route.abort(), times=1)
    connected(page, cli.json("open", xfce)["browser"])
    page.close()


@pytest.mark.one_engine
def test_a_part_of_the_page_that_never_comes_is_asked_for_again(cli: Cli, xfce: str, browser: Browser) -> None:
    page = browser.new_page()
    page.route("**/rfb.js", lambda _: None, times=1)
    connected(page, cli.json("open", xfce)["browser"], 60)
    page.close()


@pytest.mark.one_engine
def test_a_viewer_that_hangs_is_given_up(cli: Cli, xfce: str, browser: Browser) -> None:
    page = browser.new_page()
    cli.kill(xfce, "x11vnc", "STOP")
    try:
        page.goto(cli.json("open", xfce)["browser"])
        page.get_by_text("does not answer").wait_for()
    finally:
        cli.kill(xfce, "x11vnc", "CONT")
    page.wait_for_selector("body[data-state=connected]")
    page.close()
