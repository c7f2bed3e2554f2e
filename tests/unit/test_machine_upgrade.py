"""What a machine says of its slots, what fits, what is sent, and when a slot counts as kept."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from modulux.errors import EngineError, HostError, NotReadyError
from modulux.machine import upgrade
from modulux.machine.build import KERNEL, START, STORE, SYSTEM
from modulux.machine.emulator import Machine
from modulux.machine.running import READY, Running
from modulux.machine.tools import Tools
from modulux.machine.upgrade import Outcome, Slots, check_room, judged, read_slots, send
from modulux.report import Event, Note, silent

SAID = ["slot\ta\trunning\tkept", "slot\tb\t-\tfailed", "room\tsystem\t64", "room\tstore\t512", "room\tboot\t100"]


def test_slots_are_read() -> None:
    assert read_slots(SAID) == Slots("a", {"a": "kept", "b": "failed"}, {"system": 64, "store": 512, "boot": 100})
    assert read_slots(SAID).free == "b"


@pytest.mark.parametrize("lines", [[], SAID[1:], SAID[:2], ["slot"]])
def test_half_an_answer_is_none(lines: list[str]) -> None:
    with pytest.raises(EngineError):
        read_slots(lines)


def test_what_does_not_fit_is_said_before_anything_is_sent() -> None:
    check_room(read_slots(SAID), {"system": 64, "store": 512})
    with pytest.raises(HostError, match="store"):
        check_room(read_slots(SAID), {"system": 64, "store": 513})


Talk = Callable[[socket.socket], None]


@pytest.fixture
def machine(tmp_path: Path) -> Callable[[Talk], Path]:
    """The control port of a machine that behaves as told."""

    def begin(talk: Talk) -> Path:
        door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        door.bind(str(tmp_path / "control"))
        door.listen(1)

        def serve() -> None:
            with door, door.accept()[0] as client:
                mark = client.recv(1000).partition(b"end=")[2].partition(b"\t")[0]
                client.sendall(mark + b"error unknown: ping\n")
                talk(client)

        threading.Thread(target=serve, daemon=True).start()
        return tmp_path / "control"

    return begin


def test_only_what_is_missing_is_sent(machine: Callable[[Talk], Path], tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096
    (tmp_path / "store").write_bytes(content)
    got: list[bytes] = []

    def talk(client: socket.socket) -> None:
        stream = client.makefile("rb")
        got.append(stream.readline())
        client.sendall(b"at\t1000000\n")
        got.append(stream.read(len(content) - 1000000))
        client.sendall(b"ok\n")

    assert send(machine(talk), "store", tmp_path / "store") == len(content) - 1000000
    assert got[0] == f"receive\tstore\t{len(content)}\t{hashlib.sha256(content).hexdigest()}\n".encode()
    assert got[1] == content[1000000:]


def test_a_refusal_in_the_midst_is_told(machine: Callable[[Talk], Path], tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(bytes(30_000_000))

    def talk(client: socket.socket) -> None:
        client.recv(1000)
        client.sendall(b"at\t0\n")
        client.recv(1000)
        client.sendall(b"error it cannot be written: I/O error\n")
        while client.recv(1_000_000):
            pass

    with pytest.raises(EngineError, match="cannot be written"):
        send(machine(talk), "store", tmp_path / "store")


def test_a_broken_line_says_to_begin_anew(machine: Callable[[Talk], Path], tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(bytes(30_000_000))

    def talk(client: socket.socket) -> None:
        client.recv(1000)
        client.sendall(b"at\t0\n")

    with pytest.raises(NotReadyError) as caught:
        send(machine(talk), "store", tmp_path / "store")
    assert "begin anew" in (caught.value.hint or "")


def test_what_was_there_from_an_earlier_try_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (KERNEL, START, SYSTEM, STORE, "boot.efi"):
        (tmp_path / name).write_bytes(bytes(1_500_000))
    room = {"system": 10**9, "store": 10**9, "boot": 10**9}
    kept = Outcome("b", "b", kept=True)
    standing_in = {
        "slots": lambda _: Slots("a", {"a": "kept", "b": "empty"}, room),
        "noted": lambda _: {},
        "boot_programs": lambda *_: [tmp_path / "boot.efi"],
        "ask": lambda *_: [],
        "send": lambda _, part, path: 500_000 if part == "store" else path.stat().st_size,
        "restart": lambda *_: kept,
    }
    for name, does in standing_in.items():
        monkeypatch.setattr(upgrade, name, does)
    told: list[Event] = []
    running = Running("m", 1, cast("Machine", SimpleNamespace(control=None)), None, None)
    assert upgrade.upgrade(running, tmp_path, cast("Tools", None), told.append) == kept
    assert [e.text for e in told if isinstance(e, Note)] == ["of the store 1.0 MB were there from an earlier try"]


def verdict(monkeypatch: pytest.MonkeyPatch, answers: list[Slots], *, alive: bool = True) -> Any:
    left = list(answers)
    monkeypatch.setattr(upgrade, "slots", lambda _: left.pop(0) if len(left) > 1 else left[0])
    monkeypatch.setattr(upgrade, "SETTLED", 0.2)
    said, after = [(1.0, READY)], [(2.0, "off"), (3.0, READY if answers else "PID 1")]
    monkeypatch.setattr(Running, "said", lambda _: said)
    monkeypatch.setattr(Running, "alive", lambda _: alive)
    running = Running("m", 1, cast("Machine", SimpleNamespace(control=None)), None, None)
    ready = running.restarted()
    said += after
    return judged(running, ready, "b", time.monotonic() + 1, lambda _: time.sleep(0.01))


def of(running: str, b: str) -> Slots:
    return Slots(running, {"a": "kept", "b": b}, {})


def test_a_slot_is_kept_once_the_machine_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = verdict(monkeypatch, [of("b", "failed"), of("b", "kept")])
    assert (outcome.running, outcome.kept) == ("b", True)


def test_a_machine_that_went_back_did_not_keep_it(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = verdict(monkeypatch, [of("a", "failed")])
    assert (outcome.running, outcome.kept) == ("a", False)


def test_a_slot_that_runs_and_is_never_kept_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not verdict(monkeypatch, [of("b", "failed")]).kept


def test_a_machine_that_goes_off_gives_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotReadyError, match="went off"):
        verdict(monkeypatch, [], alive=False)


def test_a_slot_has_the_time_of_its_own_trial(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The one of before has 300 seconds, the new one 3600: who waits for its verdict waits as long."""
    until: list[float] = []

    def verdict(*words: Any) -> None:
        until.append(words[3])

    monkeypatch.setattr(upgrade, "judged", verdict)
    monkeypatch.setattr(
        upgrade, "slots", lambda _: read_slots(SAID[:2] + [f"room\t{part}\t99" for part in ("system", "store", "boot")])
    )
    monkeypatch.setattr(upgrade, "ask", lambda *_: [])
    monkeypatch.setattr(upgrade, "send", lambda *_: 0)
    before, now = tmp_path / "before", tmp_path / "now"
    for folder, trial in ((before, 300), (now, 3600)):
        folder.mkdir()
        (folder / "machine.json").write_text(json.dumps({"trial": trial}))
    for name in ("kernel", "initramfs", "system.erofs", "store.erofs"):
        (now / name).write_bytes(b"x")
    monkeypatch.setattr(upgrade, "boot_programs", lambda *_: [now / "kernel"])
    monkeypatch.setattr(Running, "said", lambda _: [])
    running = Running("m", 1, cast("Machine", SimpleNamespace(control=None, built=before)), None, None)
    upgrade.upgrade(running, now, cast("Any", None), silent)
    upgrade.restart(running, of("a", "kept"), silent)
    assert until[0] - time.monotonic() > 3600
    assert until[0] - until[1] == pytest.approx(3300, abs=60)
