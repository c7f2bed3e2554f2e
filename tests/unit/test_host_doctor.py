"""The doctor on hosts of files: each thing that stops an engine is found, with a mend."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from modulux.host.checks import cgroups, devices, engine, limits, ports, runtime, storage, users
from modulux.host.doctor import examine, stops
from modulux.host.finding import EngineInfo, Finding, Status, System
from modulux.run import Completed

GOOD_PODMAN = {
    "version": {"Version": "4.3.1"},
    "store": {"graphRoot": "/var/lib/containers/storage", "graphDriverName": "overlay"},
    "host": {"ociRuntime": {"path": "/usr/bin/runc"}},
}


def put(root: Path, path: str, text: str = "") -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def answers(**outputs: str) -> Callable[[Sequence[str]], Completed]:
    """Programs that print what is given here; others fail."""

    def execute(argv: Sequence[str]) -> Completed:
        name = Path(argv[0]).name
        return Completed(
            tuple(argv), 0 if name in outputs else 1, outputs.get(name, ""), "" if name in outputs else f"{name} says no"
        )

    return execute


def has(*programs: str) -> Callable[[str], str | None]:
    return lambda name: f"/usr/bin/{name}" if name in programs else None


@pytest.fixture
def good(tmp_path: Path) -> System:
    """A Debian 12 with nothing wrong."""
    put(tmp_path, "etc/os-release", 'ID=debian\nVERSION_ID="12"\n')
    put(tmp_path, "sys/fs/cgroup/cgroup.controllers")
    put(tmp_path, "proc/self/status", f"CapEff:\t{0x1FFFFFFFFFF:x}\n")
    put(tmp_path, "proc/sys/fs/inotify/max_user_instances", "1024\n")
    put(tmp_path, "proc/sys/kernel/pid_max", "4194304\n")
    put(tmp_path, "proc/sys/user/max_user_namespaces", "15000\n")
    for helper in ("netavark", "aardvark-dns"):
        put(tmp_path, f"usr/lib/podman/{helper}")
    data = tmp_path / "var/lib/containers/storage"
    data.mkdir(parents=True)
    said = {**GOOD_PODMAN, "store": {"graphRoot": str(data), "graphDriverName": "overlay"}}
    return System(
        "podman",
        tmp_path,
        hard={"nofile": 1_048_576},
        which=has("podman", "runc", "iptables", "mmdebstrap", "unshare"),
        execute=answers(podman=json.dumps(said), runc="runc version 1.3.3\n"),
    )


def user(system: System) -> System:
    """The same host, used without root."""
    put(system.root, "etc/subuid", "other:100000:65536\nsomebody:165536:65536\n")
    put(system.root, "etc/subgid", "somebody:165536:65536\n")
    put(system.root, "dev/net/tun")
    programs = ("podman", "runc", "iptables", "mmdebstrap", "unshare", "newuidmap", "slirp4netns")
    run = answers(podman=json.dumps(GOOD_PODMAN), runc="runc version 1.3.3\n", unshare="")
    return replace(system, uid=1000, user="somebody", which=has(*programs), execute=run)


def one(findings: list[Finding], name: str) -> Finding:
    return next(finding for finding in findings if finding.name == name)


def test_a_good_host_has_nothing_to_mend(good: System) -> None:
    findings = examine(system=good)
    assert [f for f in findings if f.status is not Status.OK and f.name != "disk space"] == []
    assert len(findings) >= 7


def test_a_good_host_is_good_without_root_too(good: System) -> None:
    assert stops(examine(system=user(good))) == []


def test_every_finding_that_is_not_ok_has_a_mend(tmp_path: Path) -> None:
    bare = System("podman", tmp_path, uid=1000, user="somebody", hard={"nofile": 1024})
    findings = examine(system=bare)
    assert stops(findings)
    assert all(finding.mend for finding in findings if finding.status is not Status.OK)


def test_hybrid_control_groups_are_worked_around_by_runc(good: System) -> None:
    (good.root / "sys/fs/cgroup/cgroup.controllers").unlink()
    put(good.root, "sys/fs/cgroup/unified/cgroup.procs")
    (found,) = cgroups.check(good)
    assert found.status is Status.WARN
    assert found.workaround == "containers are run by runc"
    (found,) = cgroups.check(replace(good, which=has("podman", "crun")))
    assert found.status is Status.FAIL
    assert "runc" in (found.mend or "")


def test_without_root_version_1_loses_the_limits(good: System) -> None:
    (good.root / "sys/fs/cgroup/cgroup.controllers").unlink()
    assert one(cgroups.check(user(good)), "limits of containers").status is Status.WARN


def test_limits_that_cannot_be_raised(good: System) -> None:
    put(good.root, "proc/self/status", "CapEff:\t0000000000000000\n")
    low = replace(good, hard={"nofile": 20000})
    found = one(limits.check(low), "hard limits")
    assert (found.status, bool(found.workaround)) == (Status.WARN, True)
    assert one(limits.check(replace(good, hard={"nofile": 1024})), "hard limits").mend


def test_few_file_watches(good: System) -> None:
    put(good.root, "proc/sys/fs/inotify/max_user_instances", "128\n")
    found = one(limits.check(good), "file watches")
    assert found.status is Status.WARN
    assert "128" in found.found


def test_few_process_numbers(good: System) -> None:
    put(good.root, "proc/sys/kernel/pid_max", "4096\n")
    assert one(limits.check(good), "process numbers").status is Status.WARN


def test_no_tun_device(good: System) -> None:
    system = user(good)
    assert devices.check(good, EngineInfo()) == []
    assert devices.check(system, EngineInfo())[0].status is Status.OK
    (system.root / "dev/net/tun").unlink()
    assert devices.check(system, EngineInfo())[0].status is Status.FAIL


def test_a_tun_device_that_is_closed(good: System, monkeypatch: pytest.MonkeyPatch) -> None:
    system = user(good)
    monkeypatch.setattr("os.access", lambda *_: False)
    found = devices.check(system, EngineInfo())[0]
    assert found.status is Status.FAIL
    assert "chmod 666" in (found.mend or "")


@pytest.mark.parametrize(
    ("kernel", "driver", "status"),
    [
        ("6.1.0-35-amd64", None, "ok"),
        ("5.10.0-35-amd64", "overlay", "ok"),
        ("5.10.0-35-amd64", "vfs", "warn"),
        ("", None, "warn"),
    ],
)
def test_no_fuse_device(good: System, kernel: str, driver: str | None, status: str) -> None:
    system = user(good)
    put(system.root, "proc/sys/kernel/osrelease", kernel)
    assert one(devices.check(system, EngineInfo(driver=driver)), "/dev/fuse").status == status
    put(system.root, "dev/fuse")
    assert one(devices.check(system, EngineInfo(driver="vfs")), "/dev/fuse").found == "open"


@pytest.mark.parametrize(
    ("text", "status"), [("somebody:1:65536\n", "ok"), ("1000:1:65536\n", "ok"), ("somebody:1:9\n", "fail"), ("", "fail")]
)
def test_ids(good: System, text: str, status: str) -> None:
    system = user(good)
    put(system.root, "etc/subuid", text)
    assert one(users.check(system), "/etc/subuid").status == status


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("user/max_user_namespaces", "0"),
        ("kernel/unprivileged_userns_clone", "0"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1"),
    ],
)
def test_no_user_namespaces(good: System, path: str, value: str) -> None:
    put(good.root, f"proc/sys/{path}", value)
    assert users.check(good)[0].status is Status.WARN
    assert users.check(user(good))[0].status in (Status.WARN, Status.FAIL)


def test_user_namespaces_that_the_kernel_refuses(good: System) -> None:
    system = replace(user(good), execute=answers())
    assert users.check(system)[0].status is Status.FAIL


def test_no_engine(good: System) -> None:
    system = replace(good, which=has())
    found = one(engine.check(system, engine.ask(system)), "podman")
    assert (found.status, found.found) == (Status.FAIL, "is not installed")


def test_a_helper_is_missing(good: System) -> None:
    (good.root / "usr/lib/podman/netavark").unlink()
    found = one(engine.check(good, engine.ask(good)), "netavark")
    assert found.status is Status.FAIL
    assert "apt-get install" in (found.mend or "")


@pytest.mark.parametrize(
    ("name", "version", "status"), [("podman", "4.2.0", "fail"), ("podman", "5.4.2", "ok"), ("podman", "4.10.0", "ok")]
)
def test_an_engine_too_old(good: System, name: str, version: str, status: str) -> None:
    said = {**GOOD_PODMAN, "version": {"Version": version}}
    system = replace(good, execute=answers(podman=json.dumps(said)))
    assert one(engine.check(system, engine.ask(system)), "podman").status == status


def test_docker_too_old(good: System) -> None:
    said = {"ServerVersion": "19.03.1", "DockerRootDir": "/var/lib/docker", "Driver": "overlay2", "DefaultRuntime": "runc"}
    system = replace(
        good, engine="docker", which=has("docker", "dockerd", "mmdebstrap"), execute=answers(docker=json.dumps(said))
    )
    assert one(engine.check(system, engine.ask(system)), "docker").status is Status.FAIL


def docker(good: System, **environ: str) -> Finding:
    system = replace(good, engine="docker", which=has("docker", "dockerd", "mmdebstrap"), execute=answers(), environ=environ)
    return one(engine.check(system, engine.ask(system)), "docker")


def test_docker_without_a_daemon(good: System) -> None:
    assert "does not run" in docker(good).found
    assert "unset DOCKER_HOST" in (docker(good, DOCKER_HOST="tcp://nowhere:1").mend or "")


def test_docker_with_a_daemon_that_is_silent(good: System) -> None:
    put(good.root, "var/run/docker.sock")
    assert "does not answer: docker says no" in docker(good).found


def test_docker_that_the_user_may_not_use(good: System, monkeypatch: pytest.MonkeyPatch) -> None:
    put(good.root, "var/run/docker.sock")
    monkeypatch.setattr("os.access", lambda *_: False)
    assert "usermod -aG docker" in (docker(good).mend or "")


def test_podman_that_does_not_work(good: System) -> None:
    system = replace(good, execute=answers())
    assert "podman says no" in one(engine.check(system, engine.ask(system)), "podman").found


@pytest.mark.parametrize(
    ("version", "whole"),
    [
        ("1.1.5", False),
        ("1.1.15", False),
        ("1.2.7", False),
        ("1.2.8", True),
        ("1.3.0", False),
        ("1.3.3", True),
        ("1.4.0", True),
        ("2.0.0", True),
    ],
)
def test_runc_with_holes(good: System, version: str, whole: bool) -> None:
    system = replace(good, execute=answers(runc=f"runc version {version}+ds1\ncommit: 9.9.9\n"))
    (found,) = runtime.check(system, EngineInfo(runtime="/usr/bin/runc"))
    assert (found.status is Status.OK) is whole
    assert bool(found.mend) is not whole


def test_debian_mends_count(good: System) -> None:
    system = replace(good, execute=answers(runc="runc version 1.1.15+ds1\n"))
    log = good.root / runtime.CHANGELOG
    log.parent.mkdir(parents=True)
    for names, status in ((runtime.HOLES[:2], Status.WARN), (runtime.HOLES, Status.OK)):
        log.write_bytes(gzip.compress("\n".join(names).encode()))
        assert runtime.check(system, EngineInfo(runtime="runc"))[0].status is status


def test_runc_that_is_not_used_is_not_judged(good: System) -> None:
    assert runtime.check(good, EngineInfo(runtime="/usr/bin/crun")) == []


@pytest.mark.parametrize(
    ("free", "inodes", "status"),
    [(10**11, None, "ok"), (2 * 10**9, None, "warn"), (10**8, None, "fail"), (10**11, 5, "fail"), (10**11, 10**6, "ok")],
)
def test_disk_space(free: int, inodes: int | None, status: str) -> None:
    assert storage.judge_space(Path("/data"), free, inodes).status == status


def test_layers(good: System) -> None:
    assert one(storage.check(good, EngineInfo(driver="vfs")), "image layers").status is Status.WARN
    assert one(storage.check(good, EngineInfo(driver="overlay")), "image layers").status is Status.OK
    put(good.root, "proc/filesystems", "nodev\ttmpfs\n\text4\n")
    assert one(storage.check(good, EngineInfo()), "image layers").status is Status.FAIL
    put(good.root, "proc/filesystems", "nodev\toverlay\n")
    assert [f.name for f in storage.check(good, EngineInfo())] == ["disk space"]


def test_a_port_that_is_taken(good: System) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (taken,) = ports.check(replace(good, ports=(port,)))
    assert taken.status is Status.FAIL
    assert str(port) in (taken.mend or "")
    assert ports.check(replace(good, ports=(port,)))[0].status is Status.OK
    assert ports.check(good) == []


def test_this_host_can_be_examined() -> None:
    findings = examine("podman")
    assert one(findings, "control groups").found
    assert all(finding.mend for finding in findings if finding.status is Status.FAIL)
