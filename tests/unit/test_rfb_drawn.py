"""Waiting for a drawn desktop: it reacts to updates and to nothing else."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass

import pytest
from tests.support.rfb_script import Played, init, rect, update

from modulux.errors import NotReadyError, RfbError
from modulux.rfb import Area, Client, FdStream, wait_drawn


@dataclass(frozen=True)
class Wanted:
    area: Area
    colours: int
    behind: bool = False


BLANK = update(rect(0, 0, 8, 8, 0, bytes(256)))
PANEL = update(rect(0, 0, 8, 1, 0, bytes(range(32))))
ICON = update(rect(2, 4, 4, 1, 0, bytes(range(100, 116))))
AREAS = [Wanted([0, 0, "100%", 1], 8), Wanted([2, 2, 4, 4], 4)]


def test_returns_the_first_picture_in_which_all_areas_are_drawn() -> None:
    client = Client(Played(init(8, 8) + BLANK + PANEL + ICON + BLANK))
    picture = wait_drawn(client, AREAS, 5)
    assert picture.is_drawn(AREAS)
    assert not client.picture().is_drawn([Wanted([0, 0, 8, 8], 20)])


def test_what_lies_behind_the_windows_may_be_covered_by_then() -> None:
    over = update(rect(2, 4, 4, 1, 0, bytes(16)))
    behind = [AREAS[0], Wanted([2, 2, 4, 4], 4, behind=True)]
    assert wait_drawn(Client(Played(init(8, 8) + BLANK + ICON + over + PANEL)), behind, 5).is_drawn(AREAS[:1])
    with pytest.raises(NotReadyError, match=r"area \[2, 2, 4, 4\]"):
        wait_drawn(Client(Played(init(8, 8) + BLANK + ICON + over + PANEL, stalls=True)), AREAS, 0.2)
    with pytest.raises(NotReadyError, match=r"area \[2, 2, 4, 4\]"):
        wait_drawn(Client(Played(init(8, 8) + BLANK + PANEL, stalls=True)), behind, 0.2)


def test_any_picture_will_do_without_areas() -> None:
    assert wait_drawn(Played(init(8, 8) + BLANK), [], 5).colours() == 1


def test_a_desktop_that_stays_undrawn_says_which_area() -> None:
    began = time.monotonic()
    with pytest.raises(NotReadyError, match=r"within 0.2 s: area \[2, 2, 4, 4\] holds 1 colours of 4"):
        wait_drawn(Played(init(8, 8) + BLANK + PANEL, stalls=True), AREAS, 0.2)
    assert time.monotonic() - began < 2


def test_a_viewer_that_dies_is_an_rfb_error() -> None:
    with pytest.raises(RfbError, match="ended"):
        wait_drawn(Played(init(8, 8) + BLANK + PANEL), AREAS, 5)


def test_returns_as_soon_as_the_update_is_there() -> None:
    here, there = socket.socketpair()
    drawn_at = 0.0

    def server() -> None:
        nonlocal drawn_at
        there.sendall(init(8, 8) + BLANK)
        time.sleep(0.3)
        there.sendall(PANEL)
        drawn_at = time.monotonic()
        there.sendall(ICON)

    thread = threading.Thread(target=server, daemon=True)
    thread.start()
    wait_drawn(FdStream(here.fileno(), here.fileno(), here.close), AREAS, 5)
    late = time.monotonic() - drawn_at
    thread.join(5)
    there.close()
    assert 0 <= late < 0.1
