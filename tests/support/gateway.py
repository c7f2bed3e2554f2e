"""A real gateway process on ports of its own, and a small RFB server that stands where the viewer would be."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

ROOTFS = Path(__file__).parents[2] / "modules/gateway/web/rootfs"
LIBRARY = ROOTFS / "usr/lib/modulux"
FIRST = "rfb/xfce.x11vnc.sock"
"""The first screen's viewer, in the test's folder."""
SERVER_INIT = b"\x05\x00\x03\x20" + bytes(20)
"""What the viewer says after ClientInit; here any bytes serve."""


def now() -> float:
    """By the clock that the gateway notes how old a secret is with."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Viewer:
    """RFB 3.8 with security None on a unix socket; after ClientInit it sends every byte back."""

    def __init__(self, path: Path) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        path.parent.mkdir(exist_ok=True)
        self.listener.bind(str(path))
        self.listener.listen()
        self.connections = 0
        self.clients: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.connections += 1
                self.clients.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            for said, wanted in ((b"RFB 003.008\n", b"RFB 003.008\n"), (b"\x01\x01", b"\x01"), (bytes(4), b"\x01")):
                client.sendall(said)
                if exactly(client, len(wanted)) != wanted:
                    return
            client.sendall(SERVER_INIT)
            while data := client.recv(1 << 16):
                client.sendall(data)

    def close(self) -> None:
        for client in (self.listener, *self.clients):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            client.close()


@dataclass(frozen=True)
class Answer:
    """What an HTTP request got."""

    status: int
    headers: Message
    body: bytes


class Gateway:
    """The process under test."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
        arguments = ["--listen=127.0.0.1", "--web-port=0", "--vnc-port=0", "--desktop=office", "--failure-delay=0.01"]
        arguments += [
            f"--viewers={folder / 'rfb'}",
            "--first=xfce",
            f"--pages={ROOTFS / 'usr/share/modulux/gateway'}",
            f"--novnc={folder}",
        ]
        self.log = (folder / "gateway.log").open("w+b")
        self.process = subprocess.Popen(
            [sys.executable, "-I", str(LIBRARY / "gateway/serve"), *arguments, *options], env=self.environment, stderr=self.log
        )
        self.web, self.vnc = self._ports()

    def _ports(self) -> tuple[int, int]:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.process.poll() is None:
            if found := re.search(r"listening web='(\d+)' vnc='(\d+)'", self.said()):
                return int(found[1]), int(found[2])
            time.sleep(0.01)
        raise AssertionError(f"the gateway did not start: {self.said()}")

    def said(self) -> str:
        return (self.folder / "gateway.log").read_text()

    def action(self, name: str) -> str:
        """What the module's action prints: `link` or `vnc-password`."""
        return subprocess.run([LIBRARY / name], env=self.environment, check=True, capture_output=True, text=True).stdout.strip()

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """One request; `Host` may be given to lie about it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.web, timeout=5)
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        connection.close()
        return answer

    def sign_in(self) -> str:
        """The Cookie header of a browser that has used a link."""
        answer = self.get(self.action("link"))
        assert answer.status == 303
        return str(answer.headers["Set-Cookie"]).partition(";")[0]

    def dial(self) -> socket.socket:
        """A VNC client's connection."""
        return socket.create_connection(("127.0.0.1", self.vnc), timeout=5)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(5)
        self.log.close()


@contextlib.contextmanager
def running(folder: Path, *options: str) -> Iterator[Gateway]:
    """A gateway and its viewer, both gone afterwards."""
    viewer = Viewer(folder / FIRST)
    gateway = Gateway(folder, *options)
    try:
        yield gateway
    finally:
        gateway.close()
        viewer.close()


def exactly(connection: socket.socket, size: int) -> bytes:
    """Read `size` bytes, or fewer when the other side ends."""
    data = b""
    while len(data) < size and (more := connection.recv(size - len(data))):
        data += more
    return data


def ended(connection: socket.socket, seconds: float = 3) -> bool:
    """Whether the other side ends the connection in that time; what it sends until then is dropped."""
    deadline = time.monotonic() + seconds
    with contextlib.suppress(ConnectionError):
        while time.monotonic() < deadline:
            if select.select([connection], [], [], 0.1)[0] and not connection.recv(1 << 16):
                return True
        return False
    return True
