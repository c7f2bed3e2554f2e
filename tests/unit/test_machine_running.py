"""A virtual machine seen from its host: asking PID 1, asking QEMU, and knowing whether it is still there."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from modulux.cli import machine_run
from modulux.errors import EngineError, NotFoundError, NotReadyError
from modulux.machine import control, places, running
from modulux.machine.control import ask
from modulux.machine.emulator import Machine
from modulux.machine.qmp import Monitor
from modulux.machine.running import SAID, Ended, Running
from modulux.report import Event, Note

Serve = Callable[[Callable[[socket.socket], None]], Path]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """A socket at which one caller is served."""
    doors: list[tuple[socket.socket, threading.Thread]] = []

    def start(answer: Callable[[socket.socket], None]) -> Path:
        path = tmp_path / f"{len(doors)}.sock"
        door = socket.socket(socket.AF_UNIX)
        door.bind(str(path))
        door.listen()

        def once() -> None:
            caller, _ = door.accept()
            with caller:
                answer(caller)

        thread = threading.Thread(target=once, daemon=True)
        thread.start()
        doors.append((door, thread))
        return path

    yield start
    for door, thread in doors:
        thread.join(5)
        door.close()


def answering(text: bytes, heard: list[bytes] | None = None) -> Callable[[socket.socket], None]:
    """Answer a greeting, then hear a line and answer it; MARK in the answer becomes the mark that the line asked for."""

    def answer(caller: socket.socket) -> None:
        lines = caller.makefile("rb")
        for answered in (b"MARKerror unknown: ping\n", text):
            line = lines.readline()
            mark = line.partition(b"end=")[2].partition(b"\t")[0]
            if heard is not None:
                heard.append(line.partition(b"\t")[2])
            caller.sendall(answered.replace(b"MARK", mark))

    return answer


def test_an_answer_ends_with_ok(serve: Serve) -> None:
    heard: list[bytes] = []
    assert ask(serve(answering(b"one\r\ntwo ok\nMARKok\n", heard)), "status") == ["one", "two ok"]
    assert heard == [b"ping\n", b"status\n"]


def test_what_a_container_says_is_never_taken_for_the_end(serve: Serve) -> None:
    said = ask(serve(answering(b"ok\nerror of mine\nMARKok\n")), "act", "modulux.x.web", "true")
    assert said == ["ok", "error of mine"]
    with pytest.raises(EngineError, match="it ended with 3"):
        ask(serve(answering(b"error of mine\nMARKerror it ended with 3\n")), "act", "modulux.x.web", "false")


def test_a_refusal_says_why_and_an_end_is_told(serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="there is no container x"):
        ask(serve(answering(b"MARKerror there is no container x\n")), "stop", "x")
    with pytest.raises(EngineError, match="no room for it"):
        ask(serve(answering(b"error the store of the other slot has no room for it\n")), "clear")
    with pytest.raises(NotReadyError, match="ended the line"):
        ask(serve(answering(b"half")), "status")
    with pytest.raises(NotReadyError, match="does not answer"):
        ask(tmp_path / "nowhere", "status")


def test_who_is_not_noticed_calls_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "PATIENCE", (0.1, 5.0))
    monkeypatch.setattr(control, "PAUSE", 0.01)
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(tmp_path / "port"))
    door.listen()

    def twice() -> None:
        silent, _ = door.accept()
        heard, _ = door.accept()
        answering(b"MARKok\n")(heard)
        silent.close()
        heard.close()

    thread = threading.Thread(target=twice, daemon=True)
    thread.start()
    assert ask(tmp_path / "port", "status") == []
    thread.join(5)
    door.close()


def test_the_monitor_is_greeted_and_events_are_passed_over(serve: Serve) -> None:
    asked: list[str] = []

    def qemu(caller: socket.socket) -> None:
        stream = caller.makefile("rwb")

        def say(**what: object) -> None:
            stream.write(json.dumps(what).encode() + b"\n")
            stream.flush()

        say(QMP={})
        for line in stream:
            command = json.loads(line)["execute"]
            asked.append(command)
            say(event="RESUME")
            if command == "quit":
                say(error={"desc": "not now"})
            else:
                say(**{"return": {"running": True}})

    with Monitor(serve(qemu)) as monitor:
        assert monitor.do("query-status") == {"running": True}
        with pytest.raises(EngineError, match="not now"):
            monitor.do("quit")
    assert asked == ["qmp_capabilities", "query-status", "quit"]


def test_nobody_at_the_monitor_is_no_machine(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="does not run"):
        Monitor(tmp_path / "qmp.sock")


def machine(tmp_path: Path) -> Machine:
    return Machine(built=tmp_path, sockets=tmp_path, state=None, memory=512 * 1024**2, ports={6080: 40001})


def test_a_number_that_another_process_has_is_not_the_machine(tmp_path: Path) -> None:
    assert not Running("m", os.getpid(), machine(tmp_path), None, None).alive()
    assert not Running("m", 2**22, machine(tmp_path), None, None).alive()


def test_what_pid_1_says_is_told_with_its_time(tmp_path: Path) -> None:
    text = "[    3.9] machine:    3.95 PID 1\r\nnoise\r\n[   12.0] machine:   12.01 desktop ready\r\n"
    assert [(float(m[1]), m[2].strip()) for m in SAID.finditer(text)] == [(3.95, "PID 1"), (12.01, "desktop ready")]
    (tmp_path / "serial.log").write_text(text)
    here = Running("m", os.getpid(), machine(tmp_path), None, None)
    assert running.wait_ready(here, 1, lambda *_: None) == 12.01
    (tmp_path / "serial.log").write_text("Kernel panic - not syncing")
    with pytest.raises(NotReadyError) as raised:
        running.wait_ready(here, 1, lambda *_: None)
    assert "panic" in (raised.value.hint or "")


def test_qemu_is_given_the_loopback_alone_and_nothing_by_default(tmp_path: Path) -> None:
    argv = machine(tmp_path).argv()
    assert "-nodefaults" in argv
    assert any("hostfwd=tcp:127.0.0.1:40001-:6080" in word for word in argv)
    assert not any("0.0.0.0" in word or "tcp::" in word for word in argv)
    vnc = argv[argv.index("-vnc") + 1]
    assert vnc.startswith("127.0.0.1:")
    assert "password=on" in vnc
    assert all("readonly=on" in word for word in argv if "system.erofs" in word or "store.erofs" in word)


QEMU = """
import json, os, socket, sys, time
monitor, mood = sys.argv[1:3]
door = socket.socket(socket.AF_UNIX)
door.bind(monitor)
door.listen()
if mood == "dislikes its disk":
    print("Is another process using the image?")
    sys.exit(1)
while True:
    caller, _ = door.accept()
    stream = caller.makefile("rwb")
    stream.write(b'{"QMP": {}}\\n')
    stream.flush()
    for line in stream:
        command = json.loads(line)["execute"]
        if (mood, command) in (("quits", "quit"), ("goes off", "system_powerdown")):
            sys.exit()
        refused = mood == "refuses" and command == "set_password"
        answer = {"error": {"desc": "not today"}} if refused else {"return": {"service": "5900"}}
        stream.write(json.dumps(answer).encode() + b"\\n")
        stream.flush()
"""
"""A program in QEMU's place: it has a monitor, and ends as told."""


class Stubbed(Machine):
    """A virtual machine in whose place that program runs."""

    mood = "quits"

    def argv(self) -> list[str]:
        return [sys.executable, "-c", QEMU, str(self.monitor), self.mood]


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Stubbed]]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(running, "QUITS", 4.0)
    (tmp_path / "modulux-machines").mkdir()

    def made(mood: str) -> Stubbed:
        machine = Stubbed(built=tmp_path, sockets=places.sockets_folder("m"), state=None, memory=512 * 1024**2)
        object.__setattr__(machine, "mood", mood)
        return machine

    yield made
    for pid in processes(made("").monitor):
        os.kill(pid, signal.SIGKILL)


def processes(monitor: Path) -> list[int]:
    """Those that have the monitor's path in their command lines."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(monitor) in path.read_text():
                found.append(int(path.parent.name))
    return [pid for pid in found if Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"]


@pytest.mark.parametrize(
    ("mood", "ended"), [("goes off", Ended.BY_ITSELF), ("quits", Ended.CUT_OFF), ("neither", Ended.KILLED)]
)
def test_whatever_it_does_it_is_ended_and_how_is_told(stub: Callable[[str], Stubbed], mood: str, ended: Ended) -> None:
    found = running.start("m", stub(mood))
    assert running.stop(found, grace=60.0 if ended is Ended.BY_ITSELF else 1.0) is ended
    assert not found.alive()
    assert running.find("m") is None


@pytest.mark.parametrize("window", [False, True])
def test_one_that_ends_once_it_has_looked_at_its_disks_is_told_by_its_own_words(
    stub: Callable[[str], Stubbed], window: bool
) -> None:
    machine = stub("dislikes its disk")
    object.__setattr__(machine, "window", window)
    with pytest.raises(EngineError, match="QEMU did not start") as raised:
        running.start("m", machine)
    assert raised.value.hint == "Is another process using the image?"


def test_one_that_hangs_is_killed(stub: Callable[[str], Stubbed]) -> None:
    found = running.start("m", stub("quits"))
    os.kill(found.pid, signal.SIGSTOP)
    assert running.stop(found, grace=1.0) is Ended.KILLED
    assert processes(found.machine.monitor) == []


def test_a_number_that_went_to_another_process_is_not_killed(stub: Callable[[str], Stubbed]) -> None:
    other = subprocess.Popen(["sleep", "60"])
    try:
        running._kill(other.pid, stub("quits").monitor)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_what_cannot_be_noted_is_ended(stub: Callable[[str], Stubbed], monkeypatch: pytest.MonkeyPatch) -> None:
    machine = stub("refuses")
    with pytest.raises(EngineError, match="not today"):
        running.start("m", machine)
    assert processes(machine.monitor) == []

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    machine = stub("quits")
    monkeypatch.setattr(running, "plug_in", interrupted)
    with pytest.raises(KeyboardInterrupt):
        running.start("m", machine)
    assert processes(machine.monitor) == []


@pytest.mark.parametrize("told", [0.0, 1.0], ids=["later", "while it is told"])
@pytest.mark.parametrize(("mood", "said"), [("goes off", []), ("quits", [Note("m did not go off by itself; it was cut off")])])
def test_ctrl_c_is_the_power_button(
    stub: Callable[[str], Stubbed], monkeypatch: pytest.MonkeyPatch, mood: str, said: list[Note], told: float
) -> None:
    """In the foreground, where `machine run` tells how to see the machine, and waits until it goes off."""
    found = running.start("m", stub(mood))
    stop, heard = running.stop, list[Event]()

    monkeypatch.setattr(running, "stop", lambda machine: stop(machine, grace=1.0 if said else 60.0))
    monkeypatch.setattr(machine_run, "_boot", lambda *_: 2.0)
    monkeypatch.setattr(machine_run, "_tell", lambda *_, **__: time.sleep(told))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # who is started in the background is given none
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    machine_run._attend(found, {}, 60, cast("Any", SimpleNamespace(report=heard.append)), background=False, installs=False)
    timer.join()
    signal.signal(signal.SIGINT, before)
    assert not found.alive()
    assert heard == said


def test_who_presses_ctrl_c_while_one_in_the_background_is_told_of_leaves_it_running(
    stub: Callable[[str], Stubbed], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    found = running.start("m", stub("goes off"))
    monkeypatch.setattr(machine_run, "_boot", lambda *_: 2.0)
    monkeypatch.setattr(machine_run, "_tell", interrupted)
    with pytest.raises(KeyboardInterrupt):
        machine_run._attend(found, {}, 60, cast("Any", None), background=True, installs=False)
    assert found.alive()
    assert running.stop(found, grace=60.0) is Ended.BY_ITSELF
