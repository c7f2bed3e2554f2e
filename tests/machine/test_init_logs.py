"""What PID 1 sends to the module that keeps logs: everything once, whenever that module is there, and it never waits for it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.support.pid1 import World

from modulux.paths import shipped

PLAN = ("log keeper /run/logs/socket", "run keeper always", "run talker always")


@dataclass
class Keeper:
    """Who takes datagrams in the place of the module."""

    door: socket.socket
    came: dict[str, str] = field(default_factory=dict)

    def heard(self, name: str) -> str:
        with contextlib.suppress(BlockingIOError):
            while True:
                source, _, text = self.door.recv(65536).decode().partition("\n")
                self.came[source] = self.came.get(source, "") + text
        return self.came.get(name, "")


@contextlib.contextmanager
def keeper(here: World) -> Iterator[Keeper]:
    place = here.inside / "run/logs"
    place.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(str(place / "socket"))
        door.setblocking(False)
        yield Keeper(door)
    (place / "socket").unlink()


def test_what_was_said_before_the_module_is_there_is_sent_once_it_is(here: World) -> None:
    here.container("talker", says=[f"word {n}" for n in range(500)])
    here.plan(*PLAN)
    here.start()
    here.hears("started talker")
    time.sleep(1)
    with keeper(here) as found:
        here.wait(lambda: "word 499\n" in found.heard("talker"))
        assert found.heard("talker") == "".join(f"word {n}\n" for n in range(500))
    assert here.ask("log", "talker")[-2] == "word 499"


def test_what_was_said_while_it_was_away_is_sent_too(here: World) -> None:
    here.container("talker", says=["one"], lives=3, code=1)
    here.plan(*PLAN)
    here.start()
    here.hears("started talker")
    with keeper(here) as found:
        here.wait(lambda: found.heard("talker") == "one\n")
    here.hears("talker ended with 1", 20)
    here.wait(lambda: len([n for n in here.noted("run") if n.name == "talker"]) == 2)
    with keeper(here) as found:
        here.wait(lambda: found.heard("talker") == "one\n")


def test_one_that_takes_nothing_stops_nobody(here: World) -> None:
    here.container("talker", says=["x" * 1000] * 2000)
    here.plan(*PLAN)
    here.start()
    here.hears("started talker")
    with keeper(here):
        time.sleep(2)
        assert here.status()["talker"][0] == "running"
    sizes = [path.stat().st_size for path in (here.inside / "run/machine/log").glob("talker.log*")]
    assert sum(sizes) <= 2 * 64 * 1024
    here.power_off()


def test_its_own_words_are_not_sent_to_it_and_it_is_ended_last(here: World) -> None:
    here.container("keeper", says=["mine"])
    here.container("talker", says=["theirs"], ending=0.5)
    here.plan(*PLAN)
    here.start()
    here.hears("desktop ready")
    with keeper(here) as found:
        here.wait(lambda: found.heard("talker") == "theirs\n")
        assert not found.heard("keeper")
    here.power_off()
    said = [line for line in here.console() if line.startswith("stopped")]
    assert said == ["stopped talker", "stopped keeper"]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The module's program, as a program of this host's."""
    if not shutil.which("gcc"):
        pytest.skip("needs gcc")
    made = tmp_path_factory.mktemp("log") / "keep-log"
    source = shipped("modules") / "service/log/source/keep-log.c"
    subprocess.run(["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(made), str(source)], check=True)
    return made


@contextlib.contextmanager
def keeping(program: Path, folder: Path, megabytes: int = 1, days: int = 30) -> Iterator[socket.socket]:
    place = folder / "socket"
    place.unlink(missing_ok=True)
    (folder / "kept").mkdir(exist_ok=True)
    words = [str(program), str(place), str(folder / "kept"), str(megabytes), str(days)]
    with subprocess.Popen(words) as process, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mouth:
        deadline = time.monotonic() + 10
        while not place.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        mouth.connect(str(place))
        yield mouth
        time.sleep(0.3)
        process.terminate()


def parts(folder: Path) -> list[Path]:
    return sorted((folder / "kept").iterdir())


def test_lines_are_put_together_and_nothing_a_terminal_obeys_is_kept(program: Path, tmp_path: Path) -> None:
    with keeping(program, tmp_path) as mouth:
        for text in (
            b"a\nfirst\nsec",
            b"b\nother\n",
            b"a\nond\x1b[2J\x7f\n",
            b"no name",
            b"\nempty\n",
            b"a\n" + b"x" * 2500 + b"\n",
        ):
            mouth.send(text)
    (part,) = parts(tmp_path)
    assert part.name == "00001.00001"
    head, *lines = part.read_text().splitlines()
    assert head == f"# {Path('/proc/sys/kernel/random/boot_id').read_text().strip()}"
    rows = [line.split("\t") for line in lines]
    assert [row[1:] for row in rows[:3]] == [["a", "first"], ["b", "other"], ["a", "second?[2J?"]]
    assert [len(row[2]) for row in rows[3:]] == [1000, 1000, 500]
    assert all(abs(float(row[0]) - time.time()) < 60 for row in rows)


def test_it_goes_on_in_the_same_file_and_begins_another_at_the_next_start(program: Path, tmp_path: Path) -> None:
    for word in (b"one", b"two"):
        with keeping(program, tmp_path) as mouth:
            mouth.send(b"a\n" + word + b"\n")
    (part,) = parts(tmp_path)
    assert [line.split("\t")[2] for line in part.read_text().splitlines()[1:]] == ["one", "two"]
    part.write_text(part.read_text().replace("# ", "# another-", 1))
    with keeping(program, tmp_path) as mouth:
        mouth.send(b"a\nthree\n")
    assert [path.name for path in parts(tmp_path)] == ["00001.00001", "00002.00001"]


def test_the_oldest_goes_when_there_is_too_much_or_it_is_too_old(program: Path, tmp_path: Path) -> None:
    with keeping(program, tmp_path) as mouth:
        for number in range(3000):
            mouth.send(b"a\n%d %s\n" % (number, b"x" * 900))
    found = parts(tmp_path)
    assert sum(path.stat().st_size for path in found) <= 2**20 + 2**17
    assert found[0].name != "00001.00001"
    assert "\t2999 " in found[-1].read_text()
    os.utime(found[0], (time.time() - 3 * 86400,) * 2)
    with keeping(program, tmp_path, days=2):
        pass
    assert not found[0].exists()


def test_the_journal_tells_what_it_is_asked_for_and_goes_on_where_it_was(program: Path, tmp_path: Path) -> None:
    script = (shipped("modules") / "service/log/rootfs/usr/lib/modulux/journal").read_text()
    (tmp_path / "journal").write_text(script.replace("/var/log/machine", str(tmp_path / "kept")))
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/00001.00001").write_text("# x\n100.000\ta\told\n")
    (tmp_path / "kept/00003.00001").write_text("# y\n200.000\ta\tone\n201.000\tb\ttwo\twith a tab\n")
    (tmp_path / "kept/00003.00002").write_text("# y\n300.000\ta\tthree\n")

    def asked(*words: str) -> tuple[list[str], str]:
        done = subprocess.run(["sh", str(tmp_path / "journal"), *words], check=True, capture_output=True, text=True)
        *lines, last = done.stdout.splitlines()
        return lines, last.removeprefix("\t\t")

    assert asked("0", "0", "all", "-")[0] == ["200.000\ta\tone", "201.000\tb\ttwo\twith a tab", "300.000\ta\tthree"]
    assert asked("-1", "0", "all", "-")[0] == ["100.000\ta\told"]
    assert asked("-2", "0", "all", "-") == ([], "none")
    assert asked("all", "150", "a", "-")[0] == ["200.000\ta\tone", "300.000\ta\tthree"]
    at = asked("0", "0", "all", "-")[1]
    with (tmp_path / "kept/00003.00002").open("a") as file:
        file.write("301.000\ta\tfour\n")
    lines, after = asked("0", "0", "all", at)
    assert lines == ["301.000\ta\tfour"]
    assert asked("0", "0", "all", after)[0] == []
    assert json.dumps(after)
