"""The streams that RFB runs over, with real sockets and processes."""

from __future__ import annotations

import socket
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.support.rfb_script import init, rect, update

from modulux.errors import RfbError
from modulux.rfb import Client, FdStream, RfbTimeoutError, open_pipe, open_tcp, open_unix

SIZE = (640, 480)
FRAME = update(rect(0, 0, *SIZE, 0, bytes(range(256)) * (640 * 480 * 4 // 256)))


def serve(listening: socket.socket) -> threading.Thread:
    """Answer one client with one frame, then close."""

    def answer() -> None:
        connection, _ = listening.accept()
        with connection, listening:
            connection.sendall(init(*SIZE))
            connection.sendall(FRAME)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    return thread


def check(stream: FdStream) -> None:
    with Client(stream, timeout=5) as client:
        assert client.frame(timeout=5).colours() == 64
        with pytest.raises(RfbError, match="ended"):
            client.frame(timeout=5)
    with pytest.raises(RfbError):
        stream.send(b"x", time.monotonic() + 1)


def test_over_a_unix_socket(tmp_path: Path) -> None:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "rfb.sock"))
    listening.listen()
    thread = serve(listening)
    check(open_unix(tmp_path / "rfb.sock"))
    thread.join(5)


def test_over_tcp() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    thread = serve(listening)
    check(open_tcp("127.0.0.1", listening.getsockname()[1]))
    thread.join(5)


def test_over_the_pipes_of_a_process() -> None:
    program = f"import sys; out = sys.stdout.buffer; out.write({init(*SIZE)!r}); out.write(bytes.fromhex(sys.argv[1]))"
    program += "; out.write(bytes(range(256)) * 4800)"
    check(open_pipe([sys.executable, "-c", program, FRAME[:16].hex()]))


def test_what_a_process_says_as_it_fails_is_the_hint() -> None:
    with pytest.raises(RfbError) as caught:
        Client(open_pipe([sys.executable, "-c", "import sys; sys.exit('no such container')"]), timeout=5)
    assert caught.value.hint == "no such container"


def test_a_process_ends_with_its_stream() -> None:
    stream = open_pipe([sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"])
    buffer = bytearray(20)
    count = stream.receive(memoryview(buffer), time.monotonic() + 5)
    pid = int(buffer[:count])
    assert Path(f"/proc/{pid}").exists()
    stream.close()
    stream.close()
    assert not Path(f"/proc/{pid}").exists()


def test_a_process_that_ends_with_its_input_is_not_killed(tmp_path: Path) -> None:
    """Of an engine's `exec` the signal reaches the near half alone."""
    program = "import sys; sys.stdout.write('x' * 3_000_000); sys.stdout.flush(); sys.stdin.read(); open(sys.argv[1], 'w')"
    stream = open_pipe([sys.executable, "-c", program, str(tmp_path / "by itself")])
    assert stream.receive(memoryview(bytearray(20)), time.monotonic() + 5)
    stream.close()
    assert (tmp_path / "by itself").exists()


def test_silence_is_timed_out_and_no_more(tmp_path: Path) -> None:
    here, there = socket.socketpair()
    stream = FdStream(here.fileno(), here.fileno(), here.close)
    began = time.monotonic()
    with pytest.raises(RfbTimeoutError):
        stream.receive(memoryview(bytearray(4)), began + 0.1)
    assert 0.05 < time.monotonic() - began < 2
    there.sendall(b"late")
    buffer = bytearray(4)
    assert stream.receive(memoryview(buffer), time.monotonic() + 1) == 4
    assert buffer == b"late"
    there.close()
    stream.close()


def test_a_peer_that_does_not_read_is_timed_out() -> None:
    here, there = socket.socketpair()
    with FdStream(here.fileno(), here.fileno(), here.close) as stream, pytest.raises(RfbTimeoutError):
        stream.send(bytes(10_000_000), time.monotonic() + 0.1)
    there.close()


def test_where_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(RfbError, match="cannot connect to"):
        open_unix(tmp_path / "none.sock")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(RfbError, match=f"cannot connect to 127.0.0.1:{port}"):
        open_tcp("127.0.0.1", port)
    with pytest.raises(RfbError, match="cannot run"):
        open_pipe([str(tmp_path / "no-such-program")])
