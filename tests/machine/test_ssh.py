"""A machine that is asked by SSH alone, as one is that no virtual machine's port leads to: what works, and who gets in."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.cli import Cli
from tests.support.smallest import smallest
from tests.support.virtual import PATIENCE, Virtual, booted
from tests.support.waiting import wait_for

from modulux.machine.places import disks_folder
from modulux.machine.running import find
from modulux.paths import shipped

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(5400)]

IDLE = "modulux.t-idle.idle"
SERVER = "modulux.{}.ssh"
CONFIGURATION = """IdentityAgent none
IdentitiesOnly yes
IdentityFile {key}
UserKnownHostsFile {folder}/known
StrictHostKeyChecking accept-new
"""


@dataclass
class Elsewhere:
    """A machine, and command lines of people with a key that it knows and one that it does not."""

    name: str
    folder: Path
    address: str
    cli: Cli
    stranger: Cli
    near: Virtual
    """The same by its port, to look at it from inside."""

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def ssh(self, *words: str, key: str = "me") -> subprocess.CompletedProcess[str]:
        argv = [str(self.folder / key / "ssh"), "-l", "user", "-p", str(self.port), *words]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=PATIENCE)


def person(folder: Path, name: str) -> Cli:
    """With a key pair, and an `ssh` that knows nothing of who runs the tests."""
    own = folder / name
    own.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(own / "key")], check=True)
    (own / "config").write_text(CONFIGURATION.format(key=own / "key", folder=own))
    program = shutil.which("ssh")
    (own / "ssh").write_text(f'#!/bin/sh\nexec {program} -F {own}/config "$@"\n')
    (own / "ssh").chmod(0o755)
    return Cli("podman", {"PATH": f"{own}:{os.environ['PATH']}"})


@pytest.fixture(scope="module", params=["engine", "systemd"])
def there(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    folder = tmp_path_factory.mktemp("ssh")
    name = "t-ssh" if request.param == "engine" else f"t-ssh-{request.param}"
    me, stranger = person(folder, "me"), person(folder, "stranger")
    words = smallest(folder, name, init=request.param)
    file = folder / "machine.yaml"
    more = "network: dhcp\ntime: none\nservices: [{module: ssh, keys: [./me/key.pub]}]\n"
    file.write_text(file.read_text().replace("network: none\n", more))
    disk = folder / "disk.img"
    me.run("machine", "build", *words, "-o", str(folder / "built"), "--disk", str(disk), timeout=3000)
    try:
        with booted(me, "browser", name, "--disk", str(disk)) as machine:
            found = Elsewhere(name, folder, machine.facts["modulux"], me, stranger, machine)
            wait_for(lambda: SERVER.format(name) in ready(found), "it lets somebody in", PATIENCE)
            yield found
            machine.is_off = find(name) is None
    finally:
        shutil.rmtree(disks_folder(name), ignore_errors=True)


def ready(there: Elsewhere) -> list[str]:
    done = there.cli.run("machine", "list", there.address, "--json", status=None)
    return [row["container"] for row in json.loads(done.stdout or "[]") if row["ready"]]


def test_it_says_what_it_is(there: Elsewhere) -> None:
    server = SERVER.format(there.name)
    assert {IDLE, server} <= set(ready(there))
    assert "its key: SHA256:" in there.cli.run("machine", "log", there.address, server).stdout
    described = there.cli.run("machine", "describe", there.address).stdout
    assert f"name: {there.name}\n" in described
    assert (there.folder / "me/key.pub").read_text().strip() in described
    assert "state" in json.loads(there.cli.run("machine", "storage", there.address, "--json").stdout)
    if there.name == "t-ssh":  # systemd's journal is not asked
        wait_for(lambda: "desktop ready" in there.cli.run("machine", "log", there.address).stdout, "PID 1's words are kept")


def test_the_server_is_held_to_the_floor(there: Elsewhere) -> None:
    server = SERVER.format(there.name)
    assert there.near.inside(server, "/usr/lib/modulux/floor || true") == ""
    assert there.near.inside(server, (shipped("modules") / "service/ssh/tests/rights").read_text()) == ""
    assert there.near.inside(server, "ls /run/modulux/machine") == "control"
    assert there.near.inside(IDLE, "ls -d /run/modulux/machine /run/machine 2>/dev/null || true") == ""


def test_what_needs_more_than_a_talk_is_refused(there: Elsewhere) -> None:
    assert "virtual machines on this host" in there.cli.run("machine", "screenshot", there.address, status=9).stderr
    assert "keeps its data" in there.cli.run("machine", "do", there.address, "ps", status=8).stderr


def test_a_key_that_its_file_does_not_name_is_refused(there: Elsewhere) -> None:
    assert "Permission denied (publickey)" in there.stranger.run("machine", "list", there.address, status=8).stderr


def test_nobody_is_asked_for_a_password(there: Elsewhere) -> None:
    done = there.ssh("-v", "-o", "PubkeyAuthentication=no", "127.0.0.1")
    assert done.returncode == 255
    assert "Authentications that can continue: publickey\n" in done.stderr.replace("\r", "")
    assert "password" not in done.stderr.partition("can continue")[2]


@pytest.mark.parametrize("words", [["ls", "/"], [], ["control; ls /"], ["-s", "sftp"]])
def test_nothing_is_run_there(there: Elsewhere, words: list[str]) -> None:
    host = ["-s", "127.0.0.1", "sftp"] if words[:1] == ["-s"] else ["127.0.0.1", *words]
    done = there.ssh("-T", *host)
    assert (done.returncode, done.stdout) == (1, "")
    assert "this is no login" in done.stderr


def test_there_is_no_terminal_and_nothing_is_forwarded(there: Elsewhere) -> None:
    assert "PTY allocation request failed" in there.ssh("-tt", "127.0.0.1").stderr
    assert there.ssh("-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1", "127.0.0.1").returncode == 255
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        near = probe.getsockname()[1]
    argv = [
        str(there.folder / "me/ssh"),
        "-N",
        "-l",
        "user",
        "-p",
        str(there.port),
        "-L",
        f"{near}:127.0.0.1:2222",
        "127.0.0.1",
    ]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as forward:
        try:
            wait_for(lambda: connects(near), "ssh listens", PATIENCE)
            with socket.create_connection(("127.0.0.1", near), PATIENCE) as line:
                assert line.recv(100) == b"", "what listens there is not heard"
        finally:
            forward.terminate()


def connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True


def test_one_module_is_updated_and_taken_back(there: Elsewhere) -> None:
    changed = there.folder / "changed/session/idle"
    shutil.copytree(there.folder / "modules/session/idle", changed)
    contract = (changed / "module.yaml").read_text()
    assert "nc, -lkU" in contract
    (changed / "module.yaml").write_text(contract.replace("nc, -lkU", "env, CHANGED=yes, nc, -lkU"))
    words = ["session/idle", str(there.folder / "machine.yaml"), "--modules", str(changed.parents[1]), "--yes", "--json"]
    done = there.cli.run("machine", "update", there.address, *words, timeout=2400)
    assert json.loads(done.stdout)["kept"] is True
    assert updates(there)[IDLE] == "kept"
    there.cli.run("machine", "rollback", there.address, "session/idle", "--yes", timeout=PATIENCE)
    assert updates(there)[IDLE] == "shipped"


def updates(there: Elsewhere) -> dict[str, str]:
    return {
        row["container"]: row["update"] for row in json.loads(there.cli.run("machine", "list", there.address, "--json").stdout)
    }


def test_all_of_it_is_upgraded_and_known_by_the_same_key(there: Elsewhere) -> None:
    known = (there.folder / "me/known").read_text()
    done = there.cli.run("machine", "upgrade", there.address, "--built", str(there.folder / "built"), "--yes", timeout=3000)
    assert "runs from slot b, and keeps it" in done.stdout
    assert IDLE in ready(there)
    assert (there.folder / "me/known").read_text() == known


def test_it_is_switched_off(there: Elsewhere) -> None:
    there.cli.run("machine", "stop", there.address, "--grace", "240", timeout=600)
    deadline = time.monotonic() + PATIENCE
    while find(there.name) is not None:
        assert time.monotonic() < deadline
        time.sleep(1)
