"""Control groups: how they are laid out, and what that keeps from working."""

from __future__ import annotations

from modulux.host.finding import Finding, Status, System
from modulux.host.limits import Cgroups, cgroups

NAME = "control groups"


def check(system: System) -> list[Finding]:
    """The layout, and whether a runtime is there that can work with it."""
    layout = cgroups(system.root / "sys")
    if layout is Cgroups.UNIFIED:
        return [Finding(NAME, Status.OK, "unified (version 2)")]
    found = f"{layout} (version 1)"
    unify = "boot with systemd.unified_cgroup_hierarchy=1"
    if system.rootless:
        lost = f"{found}: limits of memory, processors and processes are ignored for containers without root"
        return [_runtime(system, found, unify), Finding("limits of containers", Status.WARN, lost, unify)]
    return [_runtime(system, found, unify)]


def _runtime(system: System, found: str, unify: str) -> Finding:
    if system.engine != "podman":
        return Finding(NAME, Status.OK, found)
    if system.which("runc"):
        return Finding(NAME, Status.WARN, f"{found}; crun refuses it", unify, "containers are run by runc")
    return Finding(NAME, Status.FAIL, f"{found}; crun refuses it, and runc is not there", f"apt-get install runc, or {unify}")
