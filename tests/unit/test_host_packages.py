"""Which packages are asked for, and that nothing is installed without a yes."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from modulux.errors import CancelledError, HostError
from modulux.host import packages
from modulux.host.packages import Host, Need, debian_release, engine_needs


def names(engine: str, release: int | None, root: Path, *, as_root: bool = True) -> list[str]:
    return [need.package for need in engine_needs(engine, Host(release, as_root), root)]


@pytest.mark.parametrize(
    ("engine", "release", "as_root", "expected"),
    [
        ("podman", 12, True, ["podman", "runc", "netavark", "aardvark-dns", "iptables", "mmdebstrap"]),
        ("podman", 13, True, ["podman", "runc", "netavark", "aardvark-dns", "nftables", "mmdebstrap"]),
        (
            "podman",
            12,
            False,
            ["podman", "runc", "netavark", "aardvark-dns", "iptables", "uidmap", "slirp4netns", "mmdebstrap"],
        ),
        ("podman", None, False, ["podman", "runc", "netavark", "aardvark-dns", "nftables", "uidmap", "passt", "mmdebstrap"]),
        ("docker", 12, True, ["docker.io", "mmdebstrap"]),
        ("docker", 13, True, ["docker.io", "docker-cli", "mmdebstrap"]),
    ],
)
def test_each_release_gets_its_own(
    tmp_path: Path, engine: str, release: int | None, as_root: bool, expected: list[str]
) -> None:
    assert names(engine, release, tmp_path, as_root=as_root) == expected


def test_a_network_that_is_there_is_enough(tmp_path: Path) -> None:
    (tmp_path / "usr/lib/cni").mkdir(parents=True)
    (tmp_path / "usr/lib/cni/bridge").touch()
    assert "netavark" not in names("podman", 12, tmp_path)


def test_a_need_is_met_by_a_program_or_a_file(tmp_path: Path) -> None:
    need = Need("netavark", "networks", ("no-such-program-x",), (tmp_path / "netavark",))
    assert not need.met()
    (tmp_path / "netavark").touch()
    assert need.met()
    assert Need("sh", "", ("sh",)).met()


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ('ID=debian\nVERSION_ID="12"\n', 12),
        ("ID=debian\n", 99),
        ('ID=debian\nVERSION_ID="13.2"\n', 13),
        ('ID=ubuntu\nVERSION_ID="24.04"\n', None),
        ("", None),
    ],
)
def test_release(tmp_path: Path, text: str, release: int | None) -> None:
    (tmp_path / "os-release").write_text(text)
    assert debian_release(tmp_path) == release


class Machine:
    """A path with an apt-get that writes down what it was told."""

    def __init__(self, folder: Path, status: int = 0) -> None:
        self.log = folder / "log"
        self.folder = folder
        body = f'#!/bin/sh\necho "$(basename "$0") $*" >> {self.log}\necho what it says\n'
        self.program("apt-get", f'{body}case "$*" in *" install "*) exit {status};; esac\n')
        self.program("sudo", f'#!/bin/sh\necho "sudo $*" >> {self.log}\nshift\nexec "$@"\n')

    def program(self, name: str, body: str) -> None:
        (self.folder / name).write_text(body)
        (self.folder / name).chmod(0o755)

    def commands(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return Machine(tmp_path)


NEEDS = [Need("podman", "the engine", ("podman",)), Need("runc", "starts containers", ("runc",))]


def never(_: str) -> bool:
    raise AssertionError("asked")


def test_nothing_missing_asks_and_does_nothing(machine: Machine) -> None:
    assert packages.ensure([], False, never) == []
    assert machine.commands() == []


def test_yes_installs_without_recommended_packages(machine: Machine) -> None:
    said: list[str] = []
    assert packages.ensure(NEEDS, True, never, said.append) == ["podman", "runc"]
    update, install = machine.commands()
    assert update.endswith(" update")
    assert install.endswith(" install --yes --no-install-recommends podman runc")
    assert said[0] == "apt-get install --no-install-recommends podman runc"
    assert said[-1] == "installed"


def test_without_a_terminal_the_command_is_named(machine: Machine) -> None:
    with pytest.raises(HostError) as caught:
        packages.ensure(NEEDS, False, never)
    assert caught.value.exit_code == 5
    assert "apt-get install --no-install-recommends podman runc" in (caught.value.hint or "")
    assert "the engine" in str(caught.value)
    assert machine.commands() == []


@pytest.mark.parametrize(("answer", "installs"), [(True, True), (False, False)])
def test_on_a_terminal_it_asks_once(machine: Machine, monkeypatch: pytest.MonkeyPatch, answer: bool, installs: bool) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    asked: list[str] = []

    def ask(question: str) -> bool:
        asked.append(question)
        return answer

    if installs:
        packages.ensure(NEEDS, False, ask, lambda _: None)
    else:
        with pytest.raises(CancelledError):
            packages.ensure(NEEDS, False, ask)
    assert len(asked) == 1
    assert "podman" in asked[0]
    assert "runc" in asked[0]
    assert bool(machine.commands()) is installs


def test_sudo_is_used_and_named_when_not_root(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    said: list[str] = []
    packages.ensure(NEEDS, True, never, said.append)
    assert said[0].startswith("by sudo: apt-get install")
    assert [line for line in machine.commands() if line.startswith("sudo")]


def test_without_root_and_sudo_the_command_is_named(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    (tmp_path / "sudo").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError) as caught:
        packages.ensure(NEEDS, True, never)
    assert "as root" in (caught.value.hint or "")
    assert machine.commands() == []


def test_without_apt_the_programs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError) as caught:
        packages.ensure(NEEDS, True, never)
    assert "podman, runc" in str(caught.value)


def test_a_failure_shows_what_apt_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Machine(tmp_path, status=100)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(HostError, match="what it says"):
        packages.ensure(NEEDS, True, never, lambda _: None)


@pytest.mark.parametrize(("typed", "yes"), [("y\n", True), ("Yes\n", True), ("\n", False), ("", False), ("no\n", False)])
def test_only_yes_is_yes(monkeypatch: pytest.MonkeyPatch, typed: str, yes: bool) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert packages.ask_terminal("Install?") is yes


def test_a_killed_dpkg_is_noticed(tmp_path: Path) -> None:
    assert not packages._interrupted(tmp_path / "none")
    (tmp_path / "tmp.i").touch()
    assert not packages._interrupted(tmp_path)
    (tmp_path / "0003").touch()
    assert packages._interrupted(tmp_path)
