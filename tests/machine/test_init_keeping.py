"""What PID 1 does for the container that keeps the machine's data: others stand still, and what was laid beside takes its place."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.machine.test_init_state import boot
from tests.support.pid1 import STILL_TIME, World

STAGING = "state/volumes/.keeping"


class Line:
    """The socket of who keeps the data, from the inside."""

    def __init__(self, port: socket.socket) -> None:
        self.port = port
        self.lines = port.makefile("r")

    def ask(self, *words: str) -> str:
        """The last line of the answer."""
        self.port.sendall("\t".join(words).encode() + b"\n")
        for line in self.lines:
            if line == "ok\n" or line.startswith("error"):
                return line.strip()
        return ""


@contextmanager
def line(here: World) -> Iterator[Line]:
    with socket.socket(socket.AF_UNIX) as port:
        port.settimeout(20)
        port.connect(str(here.inside / "run/machine/keeping/control"))
        made = Line(port)
        try:
            yield made
        finally:
            made.lines.close()


def group(here: World, name: str) -> Path:
    """A control group, as far as PID 1 looks at one."""
    folder = here.machine / "groups" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    (folder / "cgroup.freeze").write_text("0")
    return folder / "cgroup.freeze"


@pytest.fixture
def two(here: World) -> tuple[World, Path, Path]:
    groups = group(here, "xfce"), group(here, "terminal")
    here.plan("custody keeper", "run keeper always", "run xfce always", "run terminal always")
    here.start()
    here.hears("desktop ready")
    return here, *groups


def test_they_stand_still_until_they_are_let_go(two: tuple[World, Path, Path]) -> None:
    here, xfce, terminal = two
    with line(here) as keeper:
        assert keeper.ask("still", "xfce", "terminal") == "ok"
        assert (xfce.read_text(), terminal.read_text()) == ("1", "1")
        with line(here) as other:
            assert other.ask("still", "xfce").startswith("error")
        assert xfce.read_text() == "1", "who was refused lets nobody go"
        assert keeper.ask("go") == "ok"
        assert (xfce.read_text(), terminal.read_text()) == ("0", "0")
    assert not any("goes on" in said for said in here.console())


def test_who_vanishes_leaves_nobody_standing(two: tuple[World, Path, Path]) -> None:
    here, xfce, _ = two
    with line(here) as keeper:
        assert keeper.ask("still", "xfce") == "ok"
    here.hears("what stood still goes on: who asked has left")
    assert xfce.read_text() == "0"


def test_nobody_stands_still_for_ever(two: tuple[World, Path, Path]) -> None:
    here, xfce, _ = two
    with line(here) as keeper:
        assert keeper.ask("still", "xfce") == "ok"
        here.hears("what stood still goes on: it was too long", STILL_TIME + 10)
        assert xfce.read_text() == "0"
        assert keeper.ask("still", "xfce") == "ok"


def test_those_that_do_not_stop_go_on_and_the_machine_can_end_meanwhile(two: tuple[World, Path, Path]) -> None:
    here, xfce, terminal = two
    with line(here) as keeper:
        (xfce.parent / "cgroup.events").write_text("populated 1\nfrozen 0\n")
        keeper.port.sendall(b"still\txfce\n")
        here.wait(lambda: xfce.read_text() == "1")
        assert here.ask("status")[-1] == "ok", "PID 1 waits for nobody"
        here.hears("what stood still goes on: it was too long", STILL_TIME + 10)
        assert keeper.lines.readline().startswith("error")
        assert keeper.ask("still", "terminal") == "ok"
        here.power_off()
    assert terminal.read_text() == "0"


def test_the_socket_is_for_that_alone_and_the_users(two: tuple[World, Path, Path]) -> None:
    here, *_ = two
    door = (here.inside / "run/machine/keeping/control").stat()
    assert (door.st_uid, door.st_mode & 0o777) == (1000, 0o600)
    with line(here) as keeper:
        for words in (["poweroff"], ["act", "xfce", "id"], ["log", "xfce"], ["slots"], ["clear"], ["show", "xfce"]):
            assert keeper.ask(*words) == f"error not by this socket: {words[0]}"
        assert keeper.ask("still", "nobody") == "error there is no container nobody"
        assert keeper.ask("stop", "xfce") == "ok"
        here.hears("stopped xfce")
        assert keeper.ask("start", "xfce") == "ok"
    assert here.ask("still", "xfce")[-1] == "error unknown: still", "the other socket is not for that"


def test_a_machine_without_such_a_container_has_no_such_socket(here: World) -> None:
    here.plan("run xfce always")
    here.start()
    here.hears("desktop ready")
    assert not (here.inside / "run/machine/keeping").exists()


def lay(here: World, place: str = "laid") -> None:
    """Two volumes that are there, and two beside them, of which one is new."""
    volumes = here.inside / "state/volumes"
    assert (here.inside / STAGING).stat().st_uid == 1000
    for name, text in (
        ("home", "old"),
        ("share", "old"),
        (f".keeping/{place}/home", "new"),
        (f".keeping/{place}/fresh", "new"),
    ):
        (volumes / name).mkdir(parents=True)
        (volumes / name / "letter").write_text(text)


def letters(here: World) -> dict[str, str]:
    volumes = here.inside / "state/volumes"
    return {path.parent.name: path.read_text() for path in sorted(volumes.glob("[a-z]*/letter"))}


def test_what_was_laid_beside_takes_its_place_and_what_was_there_is_beside(here: World, disk: Path) -> None:
    boot(here, disk, "custody one")
    lay(here)
    (here.inside / STAGING / "laid" / "link").symlink_to("/etc")
    with line(here) as keeper:
        assert keeper.ask("take").startswith("error not all could be replaced"), "a link leads anywhere"
        (here.inside / STAGING / "laid" / "link").unlink()
        assert keeper.ask("take") == "ok"
        assert letters(here) == {"fresh": "new", "home": "new", "share": "old"}
        assert (here.inside / STAGING / "before/home/letter").read_text() == "old"
        assert not (here.inside / STAGING / "laid").exists()
        assert keeper.ask("take") == "ok", "nothing is laid"


def test_what_was_decided_before_the_power_went_is_done_at_the_next_start(here: World, disk: Path) -> None:
    boot(here, disk, "custody one")
    lay(here, "laying")
    os.sync()
    here.power_off()
    said = len(here.console())
    here.start()
    here.wait(lambda: "started one" in here.console()[said:], 30)
    assert letters(here)["home"] == "old", "it was not decided yet"
    staging = here.inside / STAGING
    (staging / "laying").rename(staging / "laid")
    (staging / "before").mkdir()
    (here.inside / "state/volumes/home").rename(staging / "before/home")  # the power goes after one of two steps
    here.power_off()
    said = len(here.console())
    here.start()
    here.wait(lambda: "started one" in here.console()[said:], 30)
    assert letters(here) == {"fresh": "new", "home": "new", "share": "old"}
    assert any("has taken their place" in line for line in here.console()[said:])


def put(here: World, name: str, place: str, *, kind: str = "to", text: str = "new") -> None:
    """A folder's worth of what is to be placed, as the keeper makes it."""
    laying = here.inside / STAGING / "laying"
    laying.mkdir(exist_ok=True)
    one = laying / name
    if name.startswith("folder"):
        one.mkdir()
        (one / "letter").write_text(text)
    else:
        one.write_text(text)
    number = one.lstat().st_ino
    one.rename(laying / str(number))
    (laying / f"{number}.{kind}").symlink_to(place)


def decide(here: World) -> None:
    (here.inside / STAGING / "laying").rename(here.inside / STAGING / "placing")


@pytest.fixture
def files(here: World, disk: Path) -> Path:
    """A volume with a file, a folder and a link."""
    boot(here, disk, "custody one")
    home = here.inside / "state/volumes/home"
    (home / "deep/folder").mkdir(parents=True)
    (home / "away").symlink_to("/etc")
    for path in ("letter", "deep/letter", "deep/folder/letter"):
        (home / path).write_text("old")
    return home


def said_of(home: Path) -> dict[str, str]:
    return {str(path.relative_to(home)): path.read_text() for path in sorted(home.rglob("*")) if path.is_file()}


def test_single_files_take_their_places_and_what_was_there_is_beside(here: World, files: Path) -> None:
    put(here, "file", "home/letter")
    put(here, "folder", "home/deep")
    put(here, "folder2", "home/fresh", kind="new")
    decide(here)
    with line(here) as keeper:
        assert keeper.ask("place") == "ok"
        assert keeper.ask("place") == "ok", "nothing is laid"
    assert said_of(files) == {"letter": "new", "deep/letter": "new", "fresh/letter": "new"}
    beside = here.inside / STAGING / "placed"
    assert sorted(p.read_text() for p in beside.rglob("letter")) == ["old", "old"]
    assert not (here.inside / STAGING / "placing").exists()


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("home/away/letter", "to"),  # a link leads anywhere
        ("home/letter", "new"),  # has come meanwhile
        ("home/../share/letter", "to"),
        ("home/..", "to"),
        (".keeping/laid", "new"),
        ("home", "to"),
        ("home/nowhere/letter", "to"),
    ],
)
def test_if_one_cannot_be_placed_none_is(here: World, files: Path, place: str, kind: str) -> None:
    before = said_of(files)
    for number in range(4):
        put(here, f"file{number}", f"home/fresh{number}", kind="new")
    put(here, "folder", "home/deep")
    put(here, "file", place, kind=kind)
    decide(here)
    with line(here) as keeper:
        assert keeper.ask("place").startswith("error")
    assert said_of(files) == before
    assert (files / "away").is_symlink()


def test_files_that_were_half_placed_when_the_power_went_are_placed_at_the_next_start(here: World, files: Path) -> None:
    for name, place, kind in (("file", "home/letter", "to"), ("folder", "home/deep", "to"), ("folder2", "home/new", "new")):
        put(here, name, place, kind=kind)
    decide(here)
    placing = here.inside / STAGING / "placing"
    (number,) = [p.name.removesuffix(".to") for p in placing.glob("*.to") if str(p.readlink()) == "home/letter"]
    (files / "letter").rename(files / "aside")
    (placing / number).rename(files / "letter")
    (files / "aside").rename(placing / number)
    os.sync()
    here.kill()
    said = len(here.console())
    here.start()
    here.wait(lambda: "started one" in here.console()[said:], 30)
    home = here.inside / "state/volumes/home"
    assert said_of(home) == {"letter": "new", "deep/letter": "new", "new/letter": "new"}
    assert any("files of a backup have taken their place" in text for text in here.console()[said:])
