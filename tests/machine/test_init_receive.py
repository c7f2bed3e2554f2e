"""The slot that does not run, as PID 1 is sent it: a broken line, a power cut and wrong bytes."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.pid1 import World
from tests.support.updates import control

from modulux.errors import EngineError
from modulux.machine.control import ask, reached
from modulux.machine.upgrade import send

MIB = 1024**2
SIZE, SENT, NOTED = 24 * MIB, 20 * MIB, 16 * MIB
"""Bytes of a system, of what is sent before something happens, and of what has been noted by then at least: each eight MB are."""

PATIENCE = 60.0


@pytest.fixture
def part(tmp_path: Path, disk: Path) -> Iterator[Path]:
    """The other slot's partition for its system, of 32 MB; `disk` keeps the state."""
    del disk
    with (tmp_path / "part.img").open("wb") as file:
        file.truncate(32 * MIB)
    words = ["losetup", "--find", "--show", str(tmp_path / "part.img")]
    node = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
    yield Path(node)
    subprocess.run(["losetup", "--detach", node], check=False)


@pytest.fixture
def system(tmp_path: Path) -> Path:
    (tmp_path / "system").write_bytes(os.urandom(MIB) * (SIZE // MIB))
    return tmp_path / "system"


def begin(here: World, disk: Path, part: Path) -> None:
    told = here.folder / "sys/class/block" / part.name
    told.mkdir(parents=True, exist_ok=True)
    (told / "uevent").write_text(f"DEVNAME={part.name}\nDEVTYPE=partition\nPARTNAME=modulux-system-b\n")
    here.node = f"{disk.name} {part.name}"
    here.words = f"modulux.store=none modulux.state={disk} modulux.slot=a"
    here.plan("version v1", "run one always")
    (here.folder / "console").touch()
    said = len(here.console())
    here.start()
    here.wait(lambda: "started one" in here.console()[said:], 30)


@pytest.fixture
def machine(here: World, disk: Path, part: Path) -> World:
    begin(here, disk, part)
    return here


def offset(here: World, part: str) -> int:
    """How much of it PID 1 knows to have; 0 while it knows nothing."""
    for path in (f"state/receive/b/{part}", f"run/machine/receive/{part}.note"):
        if (here.inside / path).is_file():
            return int((here.inside / path).read_text().split()[1])
    return 0


def begin_to_send(here: World, part: str, whole: Path) -> None:
    """Send the beginning of it, and hold the line until PID 1 has noted that."""
    content = whole.read_bytes()
    sum = hashlib.sha256(content).hexdigest()
    with reached(control(here), PATIENCE) as line:
        line.sendall(f"receive\t{part}\t{len(content)}\t{sum}\n".encode())
        assert line.recv(100) == b"at\t0\n"
        line.sendall(content[:SENT])
        here.wait(lambda: offset(here, part) >= NOTED)


def lies_there(part: Path, whole: Path) -> bool:
    subprocess.run(["blockdev", "--flushbufs", part], check=True)
    with part.open("rb") as file:
        return file.read(whole.stat().st_size) == whole.read_bytes()


def test_after_a_broken_line_only_what_is_missing_is_sent(machine: World, part: Path, system: Path) -> None:
    begin_to_send(machine, "system", system)
    machine.wait(lambda: offset(machine, "system") == SENT)  # also what came last
    assert send(control(machine), "system", system) == SIZE - SENT
    assert lies_there(part, system)
    assert send(control(machine), "system", system) == 0
    with pytest.raises(EngineError, match="the store has not arrived whole"):
        ask(control(machine), "place")


def test_after_a_power_cut_only_what_is_missing_is_sent(machine: World, disk: Path, part: Path, system: Path) -> None:
    begin_to_send(machine, "system", system)
    machine.kill()
    begin(machine, disk, part)
    assert SIZE - SENT <= send(control(machine), "system", system) <= SIZE - NOTED
    assert lies_there(part, system)
    machine.kill()
    begin(machine, disk, part)
    assert send(control(machine), "system", system) == 0


def test_what_was_changed_meanwhile_is_refused_and_then_sent_anew(machine: World, disk: Path, part: Path, system: Path) -> None:
    """Somebody else may have written to that slot since, or the disk lost what it had said to have."""
    send(control(machine), "system", system)
    machine.kill()
    with part.open("r+b") as file:
        file.seek(MIB)
        file.write(b"of another")
    begin(machine, disk, part)
    with pytest.raises(EngineError, match="is not what was sent"):
        send(control(machine), "system", system)
    with pytest.raises(EngineError, match="the system has not arrived whole"):
        ask(control(machine), "place")
    assert send(control(machine), "system", system) == SIZE
    assert lies_there(part, system)


def test_a_wrong_sum_is_refused_and_nothing_of_it_counts(machine: World, part: Path, system: Path) -> None:
    content, wrong = system.read_bytes(), hashlib.sha256(b"another").hexdigest()
    for _ in range(2):
        with reached(control(machine), PATIENCE) as line:
            line.sendall(f"receive\tsystem\t{SIZE}\t{wrong}\n".encode())
            answers = line.makefile("rb")
            assert answers.readline() == b"at\t0\n"
            line.sendall(content)
            assert answers.readline() == b"error what lies on the disk is not what was sent\n"
    assert send(control(machine), "system", system) == SIZE
    assert lies_there(part, system)


def test_what_does_not_fit_or_has_no_sum_is_refused_before_it_comes(machine: World) -> None:
    sum = hashlib.sha256(b"").hexdigest()
    assert "has no room for it" in machine.ask("receive", "system", str(33 * MIB), sum)[-1]
    for words in (["system", "10", "../../etc"], ["kernel", "10", sum], ["system", "0", sum], ["system"]):
        assert machine.ask("receive", *words)[-1] == "error receive PART SIZE SHA256"


def test_the_boot_program_lies_in_memory_and_is_no_longer_than_it_should_be(
    machine: World, disk: Path, part: Path, system: Path, tmp_path: Path
) -> None:
    begin_to_send(machine, "boot", system)
    machine.wait(lambda: offset(machine, "boot") == SENT)
    assert send(control(machine), "boot", system) == SIZE - SENT
    (tmp_path / "shorter").write_bytes(b"boots" * 1000)
    assert send(control(machine), "boot", tmp_path / "shorter") == 5000
    assert (machine.inside / "run/machine/receive/boot.efi").read_bytes() == b"boots" * 1000
    machine.kill()
    begin(machine, disk, part)
    assert send(control(machine), "boot", tmp_path / "shorter") == 5000
