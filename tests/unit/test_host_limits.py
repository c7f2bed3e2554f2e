"""What is passed to an engine on hosts that withhold something."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from modulux.host.limits import PROCESSES, Cgroups, cgroups, engine_workarounds, hard_limits, may_raise_limits

ALL_BUT_SYS_RESOURCE = 0x1FFFEFFFFFF
ALL = 0x1FFFFFFFFFF


def host(root: Path, layout: Cgroups, capabilities: int = ALL) -> Path:
    groups = root / "sys/fs/cgroup"
    groups.mkdir(parents=True)
    if layout is Cgroups.UNIFIED:
        (groups / "cgroup.controllers").touch()
    if layout is Cgroups.HYBRID:
        (groups / "unified").mkdir()
        (groups / "unified/cgroup.procs").touch()
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/status").write_text(f"Name:\tx\nCapEff:\t{capabilities:016x}\n")
    return root


def everything(program: str) -> str | None:
    return f"/usr/bin/{program}"


def nothing(_: str) -> str | None:
    return None


@pytest.mark.parametrize("layout", list(Cgroups))
def test_layout_is_recognised(tmp_path: Path, layout: Cgroups) -> None:
    assert cgroups(host(tmp_path, layout) / "sys") is layout


@pytest.mark.parametrize(("layout", "runtime"), [("unified", None), ("hybrid", "runc"), ("legacy", "runc")])
def test_podman_is_given_runc_where_crun_refuses(tmp_path: Path, layout: str, runtime: str | None) -> None:
    root = host(tmp_path, Cgroups(layout))
    found = engine_workarounds("podman", proc=root / "proc", sys=root / "sys", hard={}, which=everything)
    assert found.runtime == runtime
    assert len(found.notes) == (1 if runtime else 0)


def test_without_runc_the_engine_chooses(tmp_path: Path) -> None:
    root = host(tmp_path, Cgroups.HYBRID)
    assert engine_workarounds("podman", proc=root / "proc", sys=root / "sys", hard={}, which=nothing).runtime is None


def test_docker_chooses_its_runtime_itself(tmp_path: Path) -> None:
    root = host(tmp_path, Cgroups.HYBRID, ALL_BUT_SYS_RESOURCE)
    low = {"nofile": 20000, "nproc": 90000}
    found = engine_workarounds("docker", proc=root / "proc", sys=root / "sys", hard=low, which=everything)
    assert (found.runtime, found.ulimits, found.notes) == (None, {"nofile": 20000}, [])


def test_limits_that_cannot_be_raised_are_passed_on(tmp_path: Path) -> None:
    root = host(tmp_path, Cgroups.UNIFIED, ALL_BUT_SYS_RESOURCE)
    low = {"nofile": 20000, "nproc": 90000}
    found = engine_workarounds("podman", proc=root / "proc", sys=root / "sys", hard=low, which=everything)
    assert found.ulimits == {"nofile": 20000, "nproc": PROCESSES}
    assert len(found.notes) == 1
    assert "20000" in found.notes[0]


def test_fewer_processes_than_the_limit_are_asked_for(tmp_path: Path) -> None:
    root = host(tmp_path, Cgroups.UNIFIED, ALL_BUT_SYS_RESOURCE)
    found = engine_workarounds("podman", proc=root / "proc", sys=root / "sys", hard={"nproc": 500}, which=everything)
    assert found.ulimits["nproc"] == 499


def test_limits_that_can_be_raised_are_left_to_the_engine(tmp_path: Path) -> None:
    root = host(tmp_path, Cgroups.UNIFIED)
    hard = {"nofile": 1024, "nproc": 90000}
    found = engine_workarounds("podman", proc=root / "proc", sys=root / "sys", hard=hard, which=everything)
    assert found.ulimits == {"nofile": 1024}
    assert found.notes == []


def test_open_files_stay_low_where_a_million_is_allowed(tmp_path: Path) -> None:
    root = host(tmp_path, Cgroups.UNIFIED, ALL_BUT_SYS_RESOURCE)
    hard = {"nofile": 1_048_576, "nproc": 2_000_000}
    found = engine_workarounds("podman", proc=root / "proc", sys=root / "sys", hard=hard, which=everything)
    assert found.ulimits == {"nofile": 65536}


def test_no_status_means_no_capability(tmp_path: Path) -> None:
    assert not may_raise_limits(tmp_path)


def test_this_host_is_answered_at_once() -> None:
    engine_workarounds()
    begun = time.perf_counter()
    found = engine_workarounds()
    assert time.perf_counter() - begun < 0.005
    assert all(found.ulimits[name] <= limit for name, limit in hard_limits().items() if name in found.ulimits)
