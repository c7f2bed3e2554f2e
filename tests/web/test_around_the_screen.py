"""What reaches a real browser beside the picture: sound, the clipboard, other screens, and the screen's size."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page
from tests.support.browser import connected
from tests.support.cli import Cli
from tests.support.probe import TONE, probe
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.engine, pytest.mark.web, pytest.mark.one_engine]

NAME = "t-around"
LISTEN = """() => {
    // whatever a page sends to the loudspeakers is heard here too
    const connect = AudioNode.prototype.connect;
    AudioNode.prototype.connect = function (target, ...rest) {
        if (target instanceof AudioDestinationNode) {
            window.heard = new AnalyserNode(this.context, { fftSize: 32768, smoothingTimeConstant: 0 });
            connect.call(this, window.heard);
        }
        return connect.call(this, target, ...rest);
    };
}"""
LOUDEST = """() => {
    if (!window.heard) return [0, -200];
    const levels = new Float32Array(window.heard.frequencyBinCount);
    window.heard.getFloatFrequencyData(levels);
    const best = levels.reduce((a, level, i) => (level > levels[a] ? i : a), 0);
    return [best * window.heard.context.sampleRate / window.heard.fftSize, levels[best]];
}"""
TEXT = "Grüße, 你好, 🌍 — "


@pytest.fixture(scope="module")
def desktop(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two sessions, each on a screen of its own, with sound, clipboards, and a container with the test's programs."""
    folder = tmp_path_factory.mktemp("around")
    path = folder / "desktop.yaml"
    path.write_text(
        f"name: {NAME}\ndisplay: xvfb\nsessions: [openbox, {{module: icewm, arrange: separate}}]\n"
        "audio: pipewire\nservices: [clipboard]\napps: [terminal, probe]\n"
    )
    cli.run("up", str(path), "--modules", str(probe(folder)), "--yes", timeout=1500)
    yield NAME
    cli.run("down", NAME, "--volumes", "--yes")
    assert cli.left(NAME) == []


@pytest.fixture(scope="module")
def page(cli: Cli, desktop: str, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda said: failures.append(said.text) if "Content Security" in said.text else None)
    page.add_init_script(f"({LISTEN})()")
    connected(page, cli.json("open", desktop)["browser"])
    page.wait_for_selector("#tabs:not([hidden])", state="attached")
    yield page
    assert failures == []
    context.close()


def press(page: Page, button: str) -> None:
    """One of the bar's buttons, as a person does."""
    page.mouse.move((page.viewport_size or {"width": 1280})["width"] / 2, 3)
    page.wait_for_selector("#toolbar.open")
    page.click(button)


def paste(cli: Cli, desktop: str) -> str:
    return cli.inside(desktop, "probe", "timeout 10 xclip -o -selection clipboard -t UTF8_STRING", status=None)


def test_a_tone_that_an_app_plays_is_heard_in_the_browser(cli: Cli, desktop: str, page: Page) -> None:
    assert page.get_attribute("#sound", "aria-pressed") == "false"
    player = cli.start("exec", desktop, "probe", "--", "sh", "-c", TONE)
    try:
        time.sleep(1)
        assert page.evaluate(LOUDEST)[1] == -200  # muted until a person wants to hear
        press(page, "#sound")
        wait_for(lambda: page.evaluate(LOUDEST)[1] > -60, "something is heard", 10)
        time.sleep(1)
        frequency, level = page.evaluate(LOUDEST)
        assert 437 < frequency < 443, (frequency, level)
        press(page, "#sound")
        wait_for(
            lambda: "inf" in str(page.evaluate(LOUDEST)[1]).lower() or page.evaluate("window.heard.context.state") != "running",
            "muted",
        )
    finally:
        player.kill()


def test_what_is_copied_in_an_app_is_in_the_browser(cli: Cli, desktop: str, page: Page) -> None:
    time.sleep(2.1)  # what was there when the page came is not news
    cli.inside(desktop, "probe", f"printf '%s' '{TEXT}' | xclip -i -selection clipboard")
    page.bring_to_front()
    wait_for(lambda: page.input_value("#clip-text") == TEXT, "the text is in the panel")
    wait_for(lambda: page.evaluate("navigator.clipboard.readText()") == TEXT, "and in the browser's clipboard")


def test_what_is_typed_in_the_panel_can_be_pasted(cli: Cli, desktop: str, page: Page) -> None:
    press(page, "#clip")
    page.fill("#clip-text", TEXT * 2)
    wait_for(lambda: paste(cli, desktop) == TEXT * 2, "an app pastes it")
    page.keyboard.press("Escape")


def test_a_megabyte_goes_both_ways(cli: Cli, desktop: str, page: Page) -> None:
    lines = 1_050_000 // len(TEXT.encode())
    cli.inside(desktop, "probe", f"yes '{TEXT}' | head -n {lines} | xclip -i -selection clipboard")
    expected = f"{TEXT}\n" * lines
    wait_for(lambda: page.evaluate("document.getElementById('clip-text').value.length") >= len(expected), "it came", 30)
    assert page.input_value("#clip-text") == expected
    back = expected.replace("你好", "再见")
    page.evaluate("text => navigator.clipboard.writeText(text)", back)
    press(page, "#clip")
    page.click("#clip-paste")
    wait_for(lambda: paste(cli, desktop) == back, "an app pastes a megabyte", 30)
    page.keyboard.press("Escape")


def test_screens_are_tabs_and_side_by_side(cli: Cli, desktop: str, page: Page) -> None:
    press(page, "#tabs button:nth-child(2)")
    wait_for(lambda: page.get_attribute("body", "data-state") == "connected", "the second screen is there")
    assert page.inner_text("#tabs [aria-selected=true]") == "icewm"
    press(page, "#tabs button:nth-child(3)")
    wait_for(lambda: page.locator(".pane[data-state=connected] canvas").count() == 2, "both are there")
    press(page, "#tabs button:nth-child(1)")
    wait_for(lambda: page.locator(".pane[data-state=connected] canvas").count() == 1, "the first alone is there")


def test_the_bar_does_not_go_from_under_the_pointer(cli: Cli, desktop: str, page: Page) -> None:
    opened = page.locator("#toolbar.open")
    press(page, "#tabs button:nth-child(2)")  # a new connection, after which the bar shows itself for 2.5 s
    wait_for(lambda: page.locator(".pane[data-state=connected] canvas").count() == 1, "the second screen is there")
    time.sleep(4)
    assert opened.count() == 1
    page.mouse.move(640, 500)
    wait_for(lambda: opened.count() == 0, "it goes when the pointer has gone")
    press(page, "#tabs button:nth-child(1)")
    wait_for(lambda: page.inner_text("#tabs [aria-selected=true]") == "openbox", "the first is chosen")
    wait_for(lambda: page.locator(".pane[data-state=connected] canvas").count() == 1, "and there")


def test_the_screen_takes_the_windows_size(cli: Cli, desktop: str, page: Page) -> None:
    size = "[document.querySelector('#screen canvas').width, document.querySelector('#screen canvas').height]"
    assert page.evaluate(size) == [1280, 800]
    page.set_viewport_size({"width": 1100, "height": 700})
    time.sleep(1)
    assert page.evaluate(size) == [1280, 800]  # not unless it is wanted
    press(page, "#fit")
    wait_for(lambda: page.evaluate(size) == [1100, 700], "the screen is as large as the window")
    page.set_viewport_size({"width": 1280, "height": 800})
    wait_for(lambda: page.evaluate(size) == [1280, 800], "and follows it")
    press(page, "#fit")
