"""Machines at addresses: what an address means, how it is asked through `ssh`, what is known of it, and who may command it."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.test_machine_compose import CATALOG, desktop, plan

from modulux.carry.quadlet import quoted
from modulux.cli.machine_open import ways
from modulux.cli.reach import file_of, reached
from modulux.engine.protocol import ImageFacts
from modulux.errors import EngineError, FileError, HostError, NotFoundError, NotReadyError, ResolveError, UsageError
from modulux.machine import address, far
from modulux.machine.address import Remote, parse
from modulux.machine.bootplan import boot_lines
from modulux.machine.bundle import runtime_config
from modulux.machine.compose import outside
from modulux.machine.control import ask
from modulux.machine.description import text, whole
from modulux.machine.files import read_machine, with_lines
from modulux.machine.inside import MAGIC, begin
from modulux.machine.running import named
from modulux.machine.units import unit
from modulux.machine.update import settled
from modulux.model.desktop import Desktop
from modulux.model.machine import Machine
from modulux.model.plan import Container
from modulux.report import Event, Note, silent
from modulux.resolve.plan import HostFacts, resolve

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHzj me@home"
SERVER = "modulux.m.ssh"
UPDATES = ["system\tv\tkept\tengine", "room\t1", f"container\t{SERVER}\tkept\tready\t0\t-\t-"]


@pytest.mark.parametrize(
    ("word", "host", "port", "again"),
    [
        ("ssh://office", "office", 2222, "ssh://office"),
        ("ssh://192.168.0.7:22/", "192.168.0.7", 22, "ssh://192.168.0.7:22"),
        ("ssh://[fe80::1%eth0]:2222", "fe80::1%eth0", 2222, "ssh://[fe80::1%eth0]"),
    ],
)
def test_an_address_is_a_host_and_a_port(word: str, host: str, port: int, again: str) -> None:
    found = parse(word)
    assert (found.host, found.port, str(found)) == (host, port, again)


@pytest.mark.parametrize(
    "word", ["ssh://", "ssh://me@office", "ssh://-oProxyCommand=x", "ssh://a b", "ssh://office:0", "ssh://a:99999", "http://a"]
)
def test_what_is_no_address_is_refused(word: str) -> None:
    assert address.is_address(word)
    with pytest.raises(UsageError, match="no address"):
        parse(word)


def test_ssh_is_told_all_that_matters_and_no_more_than_one_word() -> None:
    argv = Remote("office", 2222).argv
    assert argv[0] == "ssh"
    assert argv[-3:] == ["--", "office", "control"]
    assert argv[argv.index("-l") + 1] == "user"
    assert {"PasswordAuthentication=no", "KbdInteractiveAuthentication=no", "ClearAllForwardings=yes"} <= set(argv)
    assert not any("StrictHostKeyChecking" in word for word in argv), "whether a server is known is the person's to say"


JOIN = """#!{python}
import socket, sys, threading, os
with open({seen!r}, "w") as file:
    file.write("\\n".join(sys.argv[1:]))
if not os.path.exists({door!r}):
    sys.exit("Warning: something\\nuser@office: Permission denied (publickey).")
line = socket.socket(socket.AF_UNIX)
line.connect({door!r})
def back():
    while piece := line.recv(65536):
        os.write(1, piece)
    os._exit(0)
threading.Thread(target=back, daemon=True).start()
while piece := os.read(0, 65536):
    line.sendall(piece)
line.shutdown(socket.SHUT_WR)
threading.Event().wait(5)
"""
"""An `ssh` that leads to a socket of this host instead."""

Talk = Callable[[socket.socket], None]


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Remote]]:
    """A machine elsewhere that behaves as told, in one talk after the other."""
    door = tmp_path / "door"
    program = tmp_path / "bin/ssh"
    program.parent.mkdir()
    program.write_text(JOIN.format(python=sys.executable, seen=str(tmp_path / "seen"), door=str(door)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    threads: list[threading.Thread] = []

    def begin(*talks: Talk) -> Remote:
        if talks:
            server = socket.socket(socket.AF_UNIX)
            server.bind(str(door))
            server.listen()

            def serve() -> None:
                with server:
                    for talk in talks:
                        with server.accept()[0] as client:
                            talk(client)

            threads.append(threading.Thread(target=serve, daemon=True))
            threads[-1].start()
        return Remote("office", 2222)

    yield begin
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive(), "not all that was said had been waited for"


def answering(*lines: str, left: list[bool] | None = None) -> Talk:
    """Answer a greeting, then a command by these lines; and see the other end leave."""

    def talk(client: socket.socket) -> None:
        stream = client.makefile("rb")
        for answer in ([], list(lines)):
            mark = stream.readline().decode().partition("end=")[2].partition("\t")[0]
            client.sendall("".join(f"{line}\n" for line in [*answer, f"{mark}ok"]).encode())
        if left is not None:
            left.append(stream.read() == b"")

    return talk


def cut(client: socket.socket) -> None:
    """A line that ends before anything is said."""
    client.recv(1000)


def test_a_machine_elsewhere_is_asked_through_ssh(office: Callable[..., Remote], tmp_path: Path) -> None:
    left: list[bool] = []
    assert ask(office(answering("one", "two", left=left)), "status") == ["one", "two"]
    assert (tmp_path / "seen").read_text().splitlines()[-2:] == ["office", "control"]
    assert left == [True], "the line ends with the talk"


def test_why_ssh_was_not_let_in_is_told(office: Callable[..., Remote]) -> None:
    with pytest.raises(NotReadyError, match=r"ssh://office: user@office: Permission denied \(publickey\)"):
        ask(office(), "status")
    with pytest.raises(NotReadyError, match="Permission denied"):
        begin(office(), ["ps"])


def test_modulux_there_is_reached_by_another_word(office: Callable[..., Remote], tmp_path: Path) -> None:
    def keep(client: socket.socket) -> None:
        stream = client.makefile("rb")
        assert stream.readline() + stream.read(0) == MAGIC
        assert json.loads(stream.read(int.from_bytes(stream.read(5)[1:], "big"))) == ["ps"]
        client.sendall(b"h\0\0\0\0" + b"o\0\0\0\3all" + b"x\0\0\0\1\7")

    door = far.Far("ssh://office", office(keep)).keeper
    out = tmp_path / "out"
    with out.open("wb") as file, Path(os.devnull).open("rb") as nothing:
        assert begin(door, ["ps"]).carry(nothing.fileno(), file, file) == 7
    assert out.read_bytes() == b"all"
    assert (tmp_path / "seen").read_text().splitlines()[-1] == "keeper"


def test_who_is_cut_off_by_what_is_started_anew_asks_again(office: Callable[..., Remote]) -> None:
    state = settled(office(cut, answering(*UPDATES)), SERVER, 10, lambda _: None)
    assert (state.update, state.ready) == ("kept", True)


def test_a_new_start_is_known_by_the_time_since_it(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [["machine\tready\t5000.0\tkept"], NotReadyError("gone"), ["machine\tstarting\t0.1\tkept"]]
    answers += [["machine\tready\t0.1\tkept"]]

    def told(*_: object, **__: object) -> list[str]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return list(answer)

    monkeypatch.setattr(far, "ask", told)
    clock = iter([100.0, 101.0, 103.0, 103.0])
    monkeypatch.setattr(far, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    ready = far.far("ssh://office").restarted()
    assert [ready() for _ in range(4)] == [False, False, False, True]


def described(**keys: object) -> tuple[list[str], list[str]]:
    """What a machine says of itself, and its boot plan."""
    machine = whole(Machine.model_validate({"name": "m", "desktops": ["openbox"], **keys}), desktop)
    found = plan(**{"desktops": ["openbox"], **keys})
    lines = boot_lines(found, {c.image: ["0"] for c in found.containers})
    return text(machine, "6.12", []).splitlines(), lines


def test_a_machine_elsewhere_tells_its_gateways_journal_and_trial() -> None:
    facts = far.read(
        *described(trial=77, gateway={"module": "web", "address": "0.0.0.0", "port": 6080, "hosts": "a,office"}), "office"
    )
    assert (facts["name"], facts["trial"], facts["journal"]) == ("m", 77, "modulux.m.log")
    (gateway,) = facts["gateways"]
    assert gateway == {"name": "modulux.openbox.web", "desktop": "openbox", "ports": {"web": 6080, "vnc": 0}, "why_not": None}


@pytest.mark.parametrize(
    ("keys", "why"), [({}, "listens on 127.0.0.1 alone"), ({"gateway": {"module": "web", "address": "::"}}, "calls it office")]
)
def test_what_no_browser_elsewhere_gets_is_said(keys: dict[str, object], why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = far.read(*described(**keys), "office")
    told: list[Event] = []
    assert ways(far.far("ssh://office"), facts, told.append) == {}
    assert isinstance(told[0], Note)
    assert why in told[0].text


def test_links_lead_to_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modulux.machine.control.ask", lambda *_: ["/open?token=x"])
    facts = {"gateways": [{"desktop": "d", "name": "g", "ports": {"web": 6080, "vnc": 5900}}]}
    found = ways(far.far("ssh://[fd00::7]"), facts, silent)
    assert found == {"browser": "http://[fd00::7]:6080/open?token=x", "VNC client": "[fd00::7]::5900   password /open?token=x"}


def test_the_file_of_a_machine_elsewhere_is_the_one_of_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(far.Far, "facts", lambda _: {"name": "xfce"})
    there = far.far("ssh://office")
    assert [file_of(there, None), file_of(there, "./mine.yaml")] == ["xfce", "./mine.yaml"]


def test_what_a_machine_says_in_another_tongue_is_an_error() -> None:
    with pytest.raises(EngineError, match="describes itself otherwise"):
        far.read(["name: m", "later-key: 1"], [], "office")


def test_a_verb_for_virtual_machines_says_what_there_is_elsewhere() -> None:
    with pytest.raises(NotFoundError, match="virtual machines on this host") as caught:
        named("ssh://office")
    assert "list, log" in (caught.value.hint or "")


def test_ssh_is_asked_for_only_where_it_is_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("modulux.host.packages.SBIN", str(tmp_path))
    with pytest.raises(NotFoundError):
        reached("nothing-of-that-name")
    with pytest.raises(HostError, match="ssh"):
        reached("ssh://office")


def server(**params: object) -> Container:
    use = {"module": "ssh", "keys": KEY, **params}
    return next(c for c in plan(desktops=["openbox"], services=[use]).containers if c.module == "service/ssh")


FACTS = ImageFacts(env=(), entrypoint=("/usr/bin/tini",), folder="/", layers=())


def test_the_server_alone_has_the_socket_and_no_right() -> None:
    found = plan(desktops=["openbox"], services=[{"module": "ssh", "keys": KEY}, "keeper"])
    lines = boot_lines(found, {c.image: ["0"] for c in found.containers})
    assert [line for line in lines if line.startswith("control\t")] == [f"control\t{SERVER}"]
    for c in found.containers:
        config = json.dumps(runtime_config(c, FACTS, {}, frozenset()))
        assert ("/run/machine/commands" in config) == (c.name == SERVER), c.name
        assert ("/run/machine/commands" in unit(c, FACTS, frozenset())) == (c.name == SERVER), c.name
    c = server()
    assert (c.capabilities, c.devices, c.env["MODULUX_KEYS"]) == ((), (), KEY)
    assert [outside(port) for port in c.publish] == [2222]
    (mount,) = [m for m in runtime_config(c, FACTS, {}, frozenset())["mounts"] if m["destination"] == "/run/modulux/machine"]
    assert mount["source"] == f"/run/machine/commands/{SERVER}"
    assert "ro" in mount["options"]
    assert not any(m.target.startswith("/home/user") for m in c.mounts), "nothing of the desktops' is before it"


def test_several_keys_come_one_a_line() -> None:
    c = server(keys=[KEY, KEY.replace("me@", "you@")])
    assert c.env["MODULUX_KEYS"].splitlines() == [KEY, KEY.replace("me@", "you@")]
    assert quoted(f"MODULUX_KEYS={c.env['MODULUX_KEYS']}") in unit(c, FACTS, frozenset())


@pytest.mark.parametrize(
    "keys", ["me", f'command="sh" {KEY}', [KEY, 7], [f"{KEY}\n{KEY}"], "-----BEGIN OPENSSH PRIVATE KEY-----", {"a": 1}, True]
)
def test_what_is_no_public_key_is_refused(keys: object) -> None:
    with pytest.raises(ResolveError, match="parameter `keys`"):
        server(keys=keys)


def test_without_a_key_it_is_refused() -> None:
    for use in ("ssh", {"module": "ssh", "keys": []}):
        with pytest.raises(ResolveError, match="needs its parameter `keys`"):
            plan(desktops=["openbox"], services=[use])


def test_a_desktop_in_an_engine_is_not_given_command_of_a_machine() -> None:
    own = Desktop.model_validate(
        {"name": "d", "display": "xvfb", "sessions": ["openbox"], "services": [{"module": "ssh", "keys": KEY}]}
    )
    with pytest.raises(ResolveError, match="commands a whole machine"):
        resolve(own, CATALOG, HostFacts())


def test_keys_are_read_from_files_beside_the_machine_file(tmp_path: Path) -> None:
    (tmp_path / "me.pub").write_text(f"# mine\n{KEY}\n\n")
    file = tmp_path / "machine.yaml"
    file.write_text("name: m\ndesktops: [openbox]\nservices: [{module: ssh, keys: [./me.pub]}, keeper]\n")
    machine = with_lines(read_machine(file), CATALOG, tmp_path)
    assert machine.services[0].params == {"keys": [KEY]}
    assert machine.services[1].params == {}
    (tmp_path / "me.pub").unlink()
    with pytest.raises(FileError, match=r"me\.pub cannot be read"):
        with_lines(read_machine(file), CATALOG, tmp_path)
