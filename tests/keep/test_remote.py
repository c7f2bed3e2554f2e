"""Repositories on servers, on the loopback: SFTP, restic's REST, S3; what they refuse, and servers that are gone."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.support import sshd
from tests.support.cli import ROOT, Cli
from tests.support.dockerd import end_with_parent

from modulux.errors import RepositoryError
from modulux.keep.failures import AbsentError
from modulux.keep.forget import choose, forget
from modulux.keep.restic import OURS, Repository
from modulux.keep.verify import every_byte, structure
from modulux.report import silent

from .folders import PASSWORD, World
from .test_bad_luck import commands

SECRET = "s3cretOfTheServer"
KINDS = {"sftp": "dropbear", "openssh": "ssh", "rest": "rclone", "s3": sys.executable}


@dataclass
class Server:
    """A server that can be stopped and started again; its repository lies in `data`."""

    argv: list[str]
    address: str
    port: int
    data: Path
    env: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **self.env},
            cwd=ROOT,
            start_new_session=True,
            preexec_fn=end_with_parent,  # noqa: PLW1509
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.05)
        raise AssertionError("the server does not answer")

    def stop(self) -> None:
        """End it, and whoever serves a connection."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, 9)
            for pid in self.serving():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 9)
            self.process.wait(20)
            self.process = None

    def serving(self) -> list[int]:
        """SFTP has a session, and so a process group, for each connection."""
        assert self.process is not None
        parents: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, ValueError):
                    parent = int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
                    parents.setdefault(parent, []).append(int(entry.name))
        found, left = list[int](), [self.process.pid]
        while left:
            children = parents.get(left.pop(), [])
            found += children
            left += children
        return found


def login(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of the test's own, which lets in whoever has it and which `ssh` uses; no question is asked."""
    keys = folder / "home/.ssh"
    keys.mkdir(parents=True, mode=0o700)
    keys.parent.chmod(0o700)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)
    shutil.copy(folder / "key.pub", keys / "authorized_keys")
    settings = ["IdentitiesOnly yes", "StrictHostKeyChecking no", "BatchMode yes", "LogLevel ERROR"]
    settings += [f"IdentityFile {folder}/key", f"UserKnownHostsFile {folder}/known"]
    (folder / "settings").write_text("\n".join(settings) + "\n")
    (folder / "bin").mkdir()
    (folder / "bin/ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/settings "$@"\n')
    (folder / "bin/ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")


def sftp(folder: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Dropbear with keys of its own; root's home is another one for it."""
    login(folder, monkeypatch)
    subprocess.run(["dropbearkey", "-t", "ed25519", "-f", str(folder / "hostkey")], check=True, capture_output=True)
    serve = f"mount --bind {folder}/home /root && exec dropbear -F -s -r {folder}/hostkey -P {folder}/pid -p 127.0.0.1:{port}"
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", serve]
    return Server(argv, f"sftp://root@127.0.0.1:{port}/{folder}/data", port, folder / "data")


def openssh(folder: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> Server:
    """OpenSSH's server, with its own SFTP."""
    login(folder, monkeypatch)
    found = sshd.program(folder / "unpacked")
    if found is None:
        pytest.skip("openssh-server can neither be found nor downloaded")
    return Server(sshd.command(folder, port, found), f"sftp://root@127.0.0.1:{port}/{folder}/data", port, folder / "data")


def rest(folder: Path, port: int, _: pytest.MonkeyPatch) -> Server:
    (folder / "data").mkdir()
    argv = ["rclone", "serve", "restic", "--addr", f"127.0.0.1:{port}", "--config", "/dev/null", str(folder / "data")]
    env = {"RCLONE_USER": "u", "RCLONE_PASS": SECRET}
    return Server(argv, f"rest:http://u:{SECRET}@127.0.0.1:{port}/", port, folder / "data", env)


def s3(folder: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> Server:
    (folder / "data").mkdir()
    argv = [sys.executable, "-m", "tests.support.s3", str(folder / "data"), str(port), "ANYBODY"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ANYBODY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    return Server(argv, f"s3:http://127.0.0.1:{port}/bucket", port, folder / "data", {"S3_SECRET": SECRET})


@pytest.fixture(params=["sftp", "openssh", pytest.param("rest", marks=pytest.mark.slow), "s3"])
def server(request: pytest.FixtureRequest, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that runs, with an empty repository as the world's."""
    if shutil.which(KINDS[request.param]) is None:
        pytest.skip(f"needs {KINDS[request.param]}")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    folder = world.folder / "server"
    folder.mkdir()
    made = {"sftp": sftp, "openssh": openssh, "rest": rest, "s3": s3}[request.param](folder, port, monkeypatch)
    made.start()
    try:
        world.repository = Repository(made.address, PASSWORD)
        yield made
    finally:
        made.stop()


class Watch(threading.Thread):
    """Looks at every process's command line until it is told to end."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.seen: set[bytes] = set()

    def run(self) -> None:
        while not self.over.wait(0.02):
            self.seen.update(commands())

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()


def test_all_that_is_done_with_a_repository(world: World, server: Server) -> None:
    before = world.engine.tree("a")
    assert not world.repository.exists()
    with Watch() as watch:
        world.repository.do("init")
        assert world.repository.exists()
        first = world.backup("monday")
        (world.home / "none").write_text("of today")
        second = world.backup()
        assert [s.short for s in world.repository.snapshots(OURS)] == [first.snapshot[:8], second.snapshot[:8]]
        world.restore(first.snapshot[:8])
        assert world.engine.tree("a") == before
        source = world.source()
        assert all(check.passed for check in (*structure(world.shop, source), *every_byte(world.shop, source)))
        forget(world.repository, choose(world.repository, [], {"last": 1}, []), silent)
    assert [s.short for s in world.repository.snapshots(OURS)] == [second.snapshot[:8]]
    assert any(b"restic" in words for words in watch.seen)
    assert not [w for w in watch.seen if SECRET.encode() in w or PASSWORD in w]


def test_refused_or_away_is_not_absent(world: World, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a second repository would be made, or offered, where there is one."""
    world.repository.do("init")
    kept = world.backup()
    with monkeypatch.context() as wrong:
        if server.address.startswith("sftp"):
            (world.folder / "server/home/.ssh/authorized_keys").rename(world.folder / "keys")
        wrong.setenv("AWS_SECRET_ACCESS_KEY", "guessed")
        stranger = Repository(server.address.replace(SECRET, "guessed"), PASSWORD)
        # restic ends at times before it has passed on what ssh says
        said = "does not let us in|cannot be reached" if server.address.startswith("sftp") else "does not let us in"
        with pytest.raises(RepositoryError, match=said) as refused:
            stranger.exists()
        assert not isinstance(refused.value, AbsentError)
        assert "guessed" not in str(refused.value)
        if server.address.startswith("sftp"):
            (world.folder / "keys").rename(world.folder / "server/home/.ssh/authorized_keys")
    server.stop()
    for action in (world.repository.exists, world.backup, world.restore):
        with pytest.raises(RepositoryError, match="cannot be reached") as away:
            action()
        assert not isinstance(away.value, AbsentError)
    (world.folder / "password").write_bytes(PASSWORD)
    flags = ["--password-file", str(world.folder / "password")]
    done = Cli(env={"MODULUX_REPOSITORY": server.address}).run("snapshots", *flags, status=13)
    assert "cannot be reached" in done.stderr
    assert SECRET not in done.stderr
    server.start()
    assert [s.short for s in world.repository.snapshots(OURS)] == [kept.snapshot[:8]]


@pytest.mark.parametrize("server", ["openssh"], indirect=True)
def test_it_is_openssh_that_serves(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        assert connection.recv(64).startswith(b"SSH-2.0-OpenSSH_")


@pytest.mark.parametrize("server", ["s3"], indirect=True)
def test_keys_of_s3_may_lie_in_a_file(world: World, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A schedule has no environment of a person's."""
    world.repository.do("init")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("HOME", str(world.folder))
    with pytest.raises(RepositoryError, match="does not let us in"):
        world.repository.exists()
    (world.folder / ".aws").mkdir()
    keys = f"[default]\naws_access_key_id = ANYBODY\naws_secret_access_key = {SECRET}\n"
    (world.folder / ".aws/credentials").write_text(keys)
    world.backup()
    assert len(world.repository.snapshots(OURS)) == 1


@pytest.mark.slow
def test_gone_half_way_and_back(world: World, server: Server) -> None:
    """restic tries for a while; then it is an error of its own, nothing is half-kept, and the next backup works."""
    world.repository.do("init")
    kept = world.backup()
    before = world.engine.tree("a")
    (world.documents / "large").write_bytes(os.urandom(60_000_000))

    def size() -> int:
        return sum(p.stat().st_size for p in server.data.rglob("*") if p.is_file())

    def vanish() -> None:
        deadline = time.monotonic() + 60
        while size() < 20_000_000 and time.monotonic() < deadline:
            time.sleep(0.005)
        server.stop()

    thief = threading.Thread(target=vanish)
    thief.start()
    began = time.monotonic()
    with pytest.raises(RepositoryError, match="cannot be reached"):
        world.backup()
    assert time.monotonic() - began < 300
    thief.join(60)
    server.start()
    assert [s.short for s in world.repository.snapshots(OURS)] == [kept.snapshot[:8]]
    world.repository.do("check")
    world.restore()
    (world.documents / "large").unlink(missing_ok=True)
    assert world.engine.tree("a") == before
    world.backup()
    forget(world.repository, choose(world.repository, [], {"last": 1}, []), silent)
    assert all(check.passed for check in every_byte(world.shop, world.source()))
