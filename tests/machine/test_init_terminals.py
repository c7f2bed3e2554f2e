"""PID 1 gives virtual terminals, and has those that draw on the card take it one after the other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.pid1 import World, compile_pid1, world

A, B = (f"/run/machine/volumes/{name}/X0" for name in "ab")
TERMINALS = ("terminal login 2 text", "terminal a 7 draws", "terminal b 8 draws")


def plan(here: World, *more: str) -> None:
    devices = here.folder / "machine/devices"
    devices.mkdir(parents=True)
    for number in (2, 7, 8):
        (devices / f"tty{number}").touch()
    ready = (f"ready a {A}", f"ready b {B}")
    here.plan(*TERMINALS, "run login always", "run a always", "run b always", "run other always", *ready, *more)


def test_the_next_begins_once_the_one_before_is_ready_and_nobody_else_waits(here: World) -> None:
    here.container("a", before=1.0, listens=[A])
    here.container("b", listens=[B])
    plan(here)
    here.start()
    here.hears("desktop ready", 20)
    runs = {n.name: n.at for n in here.noted("run")}
    ups = {n.name: n.at for n in here.noted("up")}
    assert runs["b"] > ups["a"]
    assert max(runs["other"], runs["login"]) < ups["a"]


def test_nor_before_what_stands_on_it_has_been_drawn(here: World) -> None:
    here.container("a", listens=[A], exec=[1, 0])
    here.container("b", listens=[B])
    plan(here, "run session always", "look session a /looks 0,0,9,9,60")
    here.start()
    here.hears("desktop ready", 40)
    said = here.console()
    assert said.index("ready session") < said.index("started b")


@pytest.fixture
def patient(pid1: Path, tmp_path: Path) -> Iterator[World]:
    """A PID 1 that asks nobody while others are being started, and holds back what is not needed for the picture."""
    (tmp_path / "program").mkdir()
    with world(tmp_path / "world", compile_pid1(tmp_path / "program", UNTIL_CALM=1e4, PICTURE_TIME=8)) as made:
        yield made


@pytest.fixture
def hurried(pid1: Path, tmp_path: Path) -> Iterator[World]:
    """A PID 1 whose turns at the card end after a second of rest."""
    (tmp_path / "program").mkdir()
    with world(tmp_path / "world", compile_pid1(tmp_path / "program", TURN=1)) as made:
        yield made


def test_a_turn_lasts_as_long_as_the_computer_is_busy(hurried: World) -> None:
    hurried.container("a")
    hurried.container("b", listens=[B])
    plan(hurried)
    rested = hurried.folder / "machine/uptime"
    rested.write_text("100.00 0.00\n")
    hurried.start()
    hurried.hears("started other", 20)
    time.sleep(4)
    assert not any(n.name == "b" for n in hurried.noted("run"))
    rested.write_text("100.00 9999.00\n")
    hurried.hears("ready b", 20)


def test_those_on_the_first_are_asked_though_others_still_wait_for_their_turn(patient: World) -> None:
    patient.container("a", listens=[A])
    patient.container("b", listens=[B])
    plan(patient, "run session always", "look session a /looks 0,0,9,9,60", f"run beside always {B}", "after beside b")
    patient.start()
    patient.hears("desktop ready", 60)
    said = patient.console()
    assert said.index("ready session") < said.index("started b")


def test_what_is_not_needed_for_the_picture_waits_as_long_as_more_of_it_comes(patient: World) -> None:
    patient.container("a", before=5, listens=[A])
    patient.container("b", before=5, listens=[B])
    plan(patient, "run app always", "later app")
    patient.start()
    patient.hears("desktop ready", 60)
    said = patient.console()
    assert said.index("ready b") < said.index("started app")


def test_one_that_was_stopped_or_ended_keeps_none_from_its_turn(here: World) -> None:
    here.container("a", lives=0.1, code=1)
    here.container("b", listens=[B])
    plan(here)
    here.start()
    here.hears("ready b", 20)
    here.ask("stop", "a")
    here.ask("restart", "b")
    here.wait(lambda: here.status()["b"][2] == "2")


def test_each_is_its_users_alone(here: World) -> None:
    here.container("a", listens=[A])
    here.container("b", listens=[B])
    plan(here)
    here.start()
    here.hears("desktop ready", 20)
    for number in (2, 7, 8):
        facts = (here.inside / f"dev/tty{number}").stat()
        assert (facts.st_uid, facts.st_gid, facts.st_mode & 0o777) == (1000, 1000, 0o600)


def test_what_there_is_and_what_cannot_be_shown_is_said(here: World) -> None:
    here.container("a", listens=[A])
    here.container("b", listens=[B])
    plan(here)
    here.start()
    here.hears("a cannot be shown: No such file or directory", 20)  # there is no console here
    assert here.ask("terminals") == ["login\t2\ttext\t-", "a\t7\tdraws\t-", "b\t8\tdraws\t-", "ok"]
    assert "at the keyboard: Ctrl-Alt-F2 login" in here.console(), "what draws is seen by itself"
    assert here.ask("show", "b") == ["error b cannot be shown: No such file or directory"]
    assert here.ask("show", "other") == ["error other cannot be shown: it has no terminal"]
    assert here.ask("show", "nobody") == ["error there is no container nobody"]
