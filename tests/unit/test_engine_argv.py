"""Specification → argv, held by a fake engine first on PATH that writes down how it was called."""

from __future__ import annotations

import json
import shlex
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote

import pytest

from modulux.engine.choose import ENGINES, choose
from modulux.errors import EngineError, HostError
from modulux.model.plan import Container

from .test_resolve import plan_of

FAKE = """#!/bin/sh
printf '%s\\0' "$@" >> "$CALLS"; printf '\\n' >> "$CALLS"
[ -z "${FAIL:-}" ] || { echo "time=now level=warning msg=noise" >&2; echo "Error: it will not" >&2; exit 125; }
case "$*" in *"ps "*json*) echo '[]' ;; esac
"""


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def calls(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "bin" / engine
    program.parent.mkdir()
    program.write_text(FAKE)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return tmp_path / "calls"


def seen(calls: Path) -> list[list[str]]:
    return [line.split("\0")[:-1] for line in calls.read_text().splitlines()]


def spec(world: Path, short: str = "web") -> Container:
    container = plan_of(world).container(short)
    assert container
    return container


def value(argv: list[str], flag: str) -> str:
    return argv[argv.index(flag) + 1]


def test_run_has_the_whole_floor(engine: str, calls: Path, world: Path) -> None:
    driver = choose(engine, runtime=None, ulimits={"nofile": 20000})
    driver.make(driver.run_argv(spec(world)))
    (argv,) = seen(calls)
    assert value(argv, "--user") == "1000:1000"
    assert value(argv, "--cap-drop") == "all"
    assert "--read-only" in argv
    assert "no-new-privileges" in argv
    assert int(value(argv, "--memory")) > 0
    assert int(value(argv, "--pids-limit")) > 0
    assert value(argv, "--ulimit") == "nofile=20000:20000"
    assert value(argv, "--pull") == "never"
    assert value(argv, "--publish") == "127.0.0.1::6080"
    assert not {"--privileged", "--device", "--cap-add"} & set(argv)
    assert {"host"} & {value(argv, f) for f in ("--network", "--ipc")} == set()
    tmpfs = [argv[i + 1] for i, w in enumerate(argv) if w == "--tmpfs"]
    assert {t.partition(":")[0] for t in tmpfs} == {"/tmp", "/var/tmp", "/run"}
    assert all("size=" in t and "nosuid" in t for t in tmpfs)


OF_A_VERSION = """#!/bin/sh
[ "$1" = version ] && { echo "$VERSION"; exit; }
echo begins >> "$CALLS"; sleep 0.3; echo ends >> "$CALLS"
"""


@pytest.mark.parametrize(("version", "together"), [("4.3.1", False), ("4.7.2", False), ("4.8.0", True), ("5.4.2", True)])
def test_podman_starts_at_once_what_its_version_can(
    version: str, together: bool, calls: Path, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (calls.parent / "bin/podman").write_text(OF_A_VERSION)
    (calls.parent / "bin/podman").chmod(0o755)
    monkeypatch.setenv("VERSION", version)
    monkeypatch.setenv("XDG_CACHE_HOME", str(calls.parent / "cache"))
    container = spec(world)
    with ThreadPoolExecutor(3) as pool:  # each as if it were a process of its own
        list(pool.map(lambda _: choose("podman", runtime=None, ulimits={}).start(container), range(3)))
    assert (calls.read_text().split() == ["begins", "ends"] * 3) is not together


def test_ipc_and_networks(engine: str, calls: Path, world: Path) -> None:
    driver = choose(engine, runtime=None, ulimits={})
    display, session = driver.run_argv(spec(world, "xvfb")), driver.run_argv(spec(world, "xfce"))
    assert value(display, "--ipc") == "shareable"
    assert "--shm-size" in display
    assert value(session, "--ipc") == "container:modulux.a.xvfb"
    assert "--shm-size" not in session
    assert value(session, "--network") == "none"


def test_a_runtime_is_passed_to_podman_alone(world: Path) -> None:
    assert choose("podman", runtime="runc", ulimits={}).run_argv(spec(world))[1:3] == ["--runtime", "runc"]
    assert "--runtime" not in choose("docker", runtime="runc", ulimits={}).run_argv(spec(world))


def test_the_hosts_files_are_the_persons_own_without_root(world: Path) -> None:
    shares = {"Mine": {"path": "~/Mine", "host": "/srv/mine"}}
    plain, sharing = plan_of(world), plan_of(world, shares=shares)
    rootless = choose("podman", runtime=None, ulimits={}, rootless=True)
    assert not any("--userns" in rootless.run_argv(c) for c in plain.containers)
    joined = {c.short: value(rootless.run_argv(c), "--userns") for c in sharing.containers}
    assert joined["xvfb"] == joined["web"] == "keep-id:uid=1000,gid=1000"
    assert joined["xfce"] == "container:modulux.a.xvfb"
    for engine in ENGINES:
        assert not any("--userns" in choose(engine, runtime=None, ulimits={}).run_argv(c) for c in sharing.containers)


def test_addresses_of_ipv6(engine: str, world: Path) -> None:
    container = plan_of(world, gateway={"module": "web", "address": "::1", "port": 7000}).container("web")
    assert container
    assert value(choose(engine, runtime=None, ulimits={}).run_argv(container), "--publish") == "[::1]:7000:6080"


def test_what_the_engine_says_is_the_error(engine: str, calls: Path, world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIL", "1")
    driver = choose(engine, runtime=None, ulimits={})
    with pytest.raises(EngineError, match="Error: it will not"):
        driver.make(driver.run_argv(spec(world)))


def test_no_engine(engine: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="not installed"):
        choose(engine, runtime=None, ulimits={}).containers("modulux.")


def test_commands_can_be_pasted(engine: str, world: Path) -> None:
    from modulux.run import shown

    argv = choose(engine, runtime=None, ulimits={}).run_argv(spec(world))
    assert shlex.split(shown(argv)) == argv


BUSY = """#!/bin/sh
echo "$*" >> "$CALLS"
[ "$(wc -l < "$CALLS")" -gt "$TIMES" ] || { printf 'Error: 1 error occurred:\\n\\t* unlinkat /x/shm: device or resource busy\\n\\n' >&2; exit 125; }
"""


@pytest.mark.parametrize("engine", ["podman"], indirect=True)
def test_what_podman_finds_busy_it_is_told_to_remove_again(
    engine: str, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin" / engine).write_text(BUSY)
    monkeypatch.setattr("modulux.engine.podman.BUSY", (0.0, 0.0))
    driver = choose(engine, runtime=None, ulimits={})
    monkeypatch.setenv("TIMES", "2")
    driver.remove("container", ["one", "two"])
    assert calls.read_text().splitlines() == ["rm --force --time 0 one two"] * 3
    monkeypatch.setenv("TIMES", "9")
    with pytest.raises(EngineError, match=r"podman rm: Error: 1 error occurred: unlinkat /x/shm: device or resource busy$"):
        driver.remove("container", ["one"])
    (tmp_path / "bin" / engine).unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="podman is not installed"):
        driver.remove("container", ["one"])


def test_labels_carry_the_record(engine: str, world: Path) -> None:
    argv = choose(engine, runtime=None, ulimits={}).run_argv(spec(world, "x11vnc"))
    labels = dict(argv[i + 1].split("=", 1) for i, w in enumerate(argv) if w == "--label")
    assert labels["io.modulux.owner"] == "modulux"
    assert json.loads(labels["io.modulux.sockets"]) == {"rfb": "/run/modulux/rfb/xfce.x11vnc.sock"}
    record = choose(engine, runtime=None, ulimits={}).volume_argv(
        next(v for v in plan_of(world).volumes if v.name.endswith(".record"))
    )
    file = next(w for w in record if w.startswith("io.modulux.desktop-file=")).partition("=")[2]
    assert "," not in file  # Podman would split there
    assert json.loads(unquote(file))["name"] == "a"
