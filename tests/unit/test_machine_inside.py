"""A command in a machine, asked for from outside: by this host's side, by the console's program, with the very server of the module."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

from modulux.errors import EngineError, NotReadyError
from modulux.machine import inside
from modulux.paths import shipped

KEEPER = shipped("modules") / "service/keeper/rootfs/usr/lib/modulux/keeper"
COMMAND = """import sys, time
words = sys.argv[1:]
if words[0] == "cat":
    sys.stdout.buffer.write(sys.stdin.buffer.read())
elif words[0] == "ask":
    sys.stderr.write("password: \\x05"); sys.stderr.flush()
    print("heard", sys.stdin.readline().strip())
elif words[0] == "wait":
    print("waits", flush=True); time.sleep(60)
sys.exit(int(words[-1]))
"""


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Path]:
    """The module's server, with a command of the tests'."""
    loader = SourceFileLoader("serve", str(KEEPER / "serve"))
    spec = importlib.util.spec_from_loader("serve", loader)
    assert spec
    serve = importlib.util.module_from_spec(spec)
    loader.exec_module(serve)
    (tmp_path / "command.py").write_text(COMMAND)
    vars(serve)["FOLDER"] = tmp_path
    vars(serve)["STALE"] = tmp_path / "stale"
    vars(serve)["begin_anew"] = (tmp_path / "stale").unlink
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def take() -> None:
            with contextlib.suppress(OSError):
                while True:
                    line, _ = listening.accept()
                    threading.Thread(target=serve.Connection(line).serve, daemon=True).start()

        threading.Thread(target=take, daemon=True).start()
        yield path
        listening.shutdown(socket.SHUT_RDWR)


def carried(door: Path, words: list[str], given: bytes = b"") -> tuple[int, bytes, bytes]:
    out, said = io.BytesIO(), io.BytesIO()
    there, here = os.pipe()

    def give() -> None:  # more than a pipe holds
        with open(here, "wb") as sink:  # noqa: PTH123
            sink.write(given)

    threading.Thread(target=give, daemon=True).start()
    try:
        status = inside.begin(door, words).carry(there, out, said)
    finally:
        os.close(there)
    return status, out.getvalue(), said.getvalue()


def test_bytes_go_there_and_back_and_the_status_is_the_commands(door: Path) -> None:
    data = bytes(range(256)) * 4096
    assert carried(door, ["cat", "7"], data) == (7, data, b"")


def test_what_an_earlier_talk_left_is_passed_over(door: Path) -> None:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(door))
        line.sendall(b"i\0\0\0\5left" + inside.MAGIC[:4] + inside.MAGIC + b'a\0\0\0\7["0"]  ')
        assert inside.Talk.taken(line)


def test_who_asks_while_it_is_about_to_start_anew_is_taken_afterwards(door: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stale = door.parent / "stale"
    stale.touch()
    threading.Timer(1.0, stale.unlink).start()
    monkeypatch.setattr(inside, "PAUSE", 0.5)
    assert carried(door, ["cat", "0"], b"x") == (0, b"x", b"")


def test_a_secret_is_asked_for_without_its_mark(door: Path) -> None:
    assert carried(door, ["ask", "0"], b"secret\n") == (0, b"heard secret\n", b"password: ")


def test_who_leaves_ends_the_command(door: Path) -> None:
    talk = inside.begin(door, ["wait", "0"])
    reading = talk.line.makefile("rb")
    assert b"waits" in reading.read(5 + len(b"waits\n"))
    pid = next(int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and str(door.parent).encode() in _command(p))
    reading.close()
    talk.line.close()
    ended = threading.Event()
    for _ in range(200):
        if not _runs(pid):
            break
        ended.wait(0.05)
    else:
        pytest.fail("it runs on")


def _runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    return False


def _command(process: Path) -> bytes:
    with contextlib.suppress(OSError):
        return (process / "cmdline").read_bytes()
    return b""


def test_a_machine_that_says_nothing_any_more_is_given_up(door: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(inside, "LOST", 0.5)
    with pytest.raises(EngineError, match="ended the line"), (tmp_path / "nothing").open("w+b") as nothing:
        inside.begin(door, ["wait", "0"]).carry(nothing.fileno(), io.BytesIO(), io.BytesIO())


def test_nobody_there_is_told_with_what_a_machine_needs(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError) as told:
        inside.begin(tmp_path / "nothing", ["ps"])
    assert told.value.hint
    assert "services: [keeper]" in told.value.hint


def test_the_consoles_program_says_the_same(door: Path, tmp_path: Path) -> None:
    if not shutil.which("gcc"):
        pytest.skip("needs gcc")
    source = (shipped("modules") / "service/login/source/modulux.c").read_text()
    (tmp_path / "modulux.c").write_text(source.replace('"/run/modulux/keeper/socket"', f'"{door}"'))
    program = tmp_path / "modulux"
    subprocess.run(["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-o", program, tmp_path / "modulux.c"], check=True)
    data = bytes(range(256)) * 1024
    done = subprocess.run([program, "cat", 'a "word"\\\n', "5"], input=data, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (5, data, b"")
    done = subprocess.run([program, "ask", "0"], input=b"secret\n", capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"heard secret\n", b"password: ")
