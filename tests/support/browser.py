"""Debian's Chromium, and what its pages show."""

from __future__ import annotations

import base64
import contextlib
import io
import shutil
from collections.abc import Iterator

from PIL import Image, ImageChops
from playwright.sync_api import Browser, Error, Page, sync_playwright

FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update")
"""As root it has no sandbox of its own; it only ever sees our pages."""

NEAR = 24
"""Of 255: what packing a picture for the way may change a colour by."""


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path, "Debian's chromium is needed: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


def connected(page: Page, link: str, seconds: float = 30.0) -> None:
    """Go to a desktop's link, and wait until its picture is there. When it does not come, the page's words are told, and its failures."""
    failures: list[str] = []
    page.on("console", lambda said: failures.append(said.text))
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("requestfailed", lambda request: failures.append(f"{request.url}: {request.failure}"))
    page.goto(link, timeout=1000 * seconds)
    try:
        page.wait_for_selector("body[data-state=connected]", timeout=1000 * seconds)
    except Error:
        said = page.evaluate("`${document.body.dataset.state}: ${document.body.innerText}`")
        raise AssertionError(f"not connected within {seconds:.0f} s: {said!r}, {failures}") from None


def shown(page: Page) -> Image.Image:
    """The picture of a desktop that a page has."""
    url = str(page.evaluate("document.querySelector('#screen canvas').toDataURL('image/png')"))
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")


def alike(one: Image.Image, other: Image.Image) -> float:
    """The share of pixels that are nearly the same."""
    if one.size != other.size:
        return 0.0
    red, green, blue = (band.point(lambda by: 255 * (by > NEAR)) for band in ImageChops.difference(one, other).split())
    return ImageChops.lighter(ImageChops.lighter(red, green), blue).histogram()[0] / (one.width * one.height)
