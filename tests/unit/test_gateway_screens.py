"""Which screen is shown to whom, and that viewers can come and go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway, Viewer, running
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with running(tmp_path) as started:
        yield started


def screens(gateway: Gateway, cookie: str) -> Any:
    answer = gateway.get("/screens", Cookie=cookie)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    return json.loads(answer.body)


def reaches(gateway: Gateway, cookie: str, query: str, viewer: Viewer) -> bool:
    """Whether `/rfb` with that query leads to `viewer`."""
    before = viewer.connections
    host = f"127.0.0.1:{gateway.web}"
    headers = {"Cookie": cookie, "Origin": f"http://{host}"}
    with connect(f"ws://{host}/rfb{query}", additional_headers=headers, proxy=None, open_timeout=5) as browser:
        try:
            browser.recv(5)
        except ConnectionClosed:
            return False
    return viewer.connections == before + 1


def test_the_first_screen_is_the_default(gateway: Gateway, tmp_path: Path) -> None:
    cookie = gateway.sign_in()
    other = Viewer(tmp_path / "rfb/another.x11vnc.sock")  # before `xfce` in the alphabet
    only = Viewer(tmp_path / "rfb/xfce.a.sock")
    (tmp_path / "rfb/xfce.a.view-only").touch()
    assert not reaches(gateway, cookie, "", other)
    assert not reaches(gateway, cookie, "", only)
    assert reaches(gateway, cookie, "?screen=another", other)
    assert reaches(gateway, cookie, "?screen=another&viewer=x11vnc", other)
    assert reaches(gateway, cookie, "?viewer=a", only)
    assert reaches(gateway, cookie, "?screen=xfce&viewer=a", only)
    for query in ("?screen=none", "?viewer=none", "?screen=../rfb/another", "?screen=another&viewer=a", "?screen=%00"):
        assert not reaches(gateway, cookie, query, other)
    assert [s["name"] for s in screens(gateway, cookie)["screens"]] == ["xfce", "another"]
    names = [(v["name"], v["view_only"]) for v in screens(gateway, cookie)["screens"][0]["viewers"]]
    assert names == [("x11vnc", False), ("a", True)]
    other.close()
    only.close()


def test_what_a_dead_viewer_left_is_passed_over(gateway: Gateway, tmp_path: Path) -> None:
    cookie = gateway.sign_in()
    Viewer(tmp_path / "rfb/xfce.dead.sock").close()  # `dead` comes before `x11vnc`, and its socket is still there
    new = Viewer(tmp_path / "rfb/xfce.new.sock")
    assert reaches(gateway, cookie, "", new)
    (screen,) = screens(gateway, cookie)["screens"]
    assert [v["name"] for v in screen["viewers"]] == ["new", "x11vnc"]
    new.close()


def test_strangers_are_told_nothing(gateway: Gateway) -> None:
    assert gateway.get("/screens").status == 403
