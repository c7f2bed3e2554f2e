"""PID 1 starts and ends whole desktops, while the machine goes on; one that rests is started when somebody wants to see it."""

from __future__ import annotations

import time

from tests.support.pid1 import World

A, B = (f"/run/machine/volumes/{name}/X0" for name in "ab")
OFFICE = ("run a always", "run panel always", "after panel a", "desktop a office starts", "desktop panel office starts")
PLAY = ("run b always", f"run game always {B}", "after game b", "desktop b play rests", "desktop game play rests")


def begin(here: World, *more: str) -> None:
    here.container("a", listens=[A])
    here.container("b", listens=[B])
    here.plan("run udev always", *OFFICE, *PLAY, f"ready a {A}", f"ready b {B}", *more)
    here.start()
    here.hears("desktop ready", 20)


def phases(here: World) -> dict[str, str]:
    return {name: words[0] for name, words in here.status().items() if name != "machine"}


def test_one_that_rests_is_started_when_it_is_wanted_and_the_machine_is_ready_without(here: World) -> None:
    begin(here)
    assert here.ask("desktops") == ["office\tready", "play\trests", "ok"]
    assert phases(here) == {"udev": "running", "a": "running", "panel": "running", "b": "ended", "game": "ended"}
    assert here.ask("begin", "play") == ["ok"]
    here.wait(lambda: here.ask("desktops")[:2] == ["office\tready", "play\tready"])
    assert set(phases(here).values()) == {"running"}


def test_one_that_ends_does_so_from_its_top_and_stays_ended(here: World) -> None:
    here.container("panel", ending=0.5)
    begin(here)
    assert here.ask("end", "office") == ["ok"]
    here.wait(lambda: "office\trests" in here.ask("desktops"))
    said = here.console()
    assert said.index("stopped panel") < said.index("stopped a")
    assert phases(here)["udev"] == "running"
    assert {words[2] for name, words in here.status().items() if name in ("a", "panel")} == {"1"}
    here.ask("begin", "office")
    here.wait(lambda: "office\tready" in here.ask("desktops"))


def test_who_goes_to_its_terminal_has_it_started(here: World) -> None:
    devices, active = here.folder / "machine/devices", here.folder / "sys/class/tty/tty0/active"
    devices.mkdir(parents=True)
    active.parent.mkdir(parents=True)
    for number in (0, 7, 8):
        (devices / f"tty{number}").touch()

    def goes_to(number: int) -> None:
        """As the kernel says who is seen, where it says so; nobody here has a console."""
        active.write_text(f"tty{number}\n")

    def starts_of(name: str) -> int:
        return int(here.status()[name][2])

    goes_to(7)
    begin(here, "terminal a 7 draws", "terminal b 8 draws")
    assert starts_of("b") == 0
    goes_to(8)
    here.wait(lambda: "play\tready" in here.ask("desktops"))
    here.ask("end", "play")
    here.wait(lambda: "play\trests" in here.ask("desktops"))
    here.hears("stopped b")
    time.sleep(2.5)  # PID 1 looks once a second
    assert starts_of("b") == 1, "it is not started again because it was seen when it was ended"
    goes_to(7)
    time.sleep(2.5)
    goes_to(8)
    here.wait(lambda: starts_of("b") == 2)
    here.ask("end", "office")
    here.wait(lambda: "office\trests" in here.ask("desktops"))
    goes_to(7)
    here.wait(lambda: starts_of("a") == 2)


def test_nobody_has_a_desktop_that_there_is_not(here: World) -> None:
    begin(here)
    assert here.ask("begin", "udev") == ["error there is no desktop udev"]
    assert here.ask("end", "nobody") == ["error there is no desktop nobody"]
    assert here.ask("end") == ["error there is no desktop without a name"]
