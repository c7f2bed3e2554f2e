"""Limits of the kernel and of this login that many containers run into."""

from __future__ import annotations

from modulux.host.finding import Finding, Status, System
from modulux.host.limits import ENGINE_DEFAULT, may_raise_limits

FEW_OPEN_FILES = 4096
INOTIFY_INSTANCES = {"a desktop": 16, "enough": 512}
"""Each program that watches files takes one; all modules share a user id, and so the count."""

PROCESSES = 16_384


def check(system: System) -> list[Finding]:
    """Open files and processes, file watches, process numbers."""
    return [_hard(system), *_inotify(system), *_processes(system)]


def _hard(system: System) -> Finding:
    shown = ", ".join(f"{name} {limit}" for name, limit in sorted(system.hard.items())) or "none"
    low = {name for name, limit in system.hard.items() if limit < ENGINE_DEFAULT}
    if system.hard.get("nofile", ENGINE_DEFAULT) < FEW_OPEN_FILES:
        mend = f"raise them in /etc/security/limits.conf: {system.user} hard nofile 65536"
        return Finding("hard limits", Status.WARN, f"{shown}: browsers need more open files", mend)
    if low and system.engine == "podman" and not may_raise_limits(system.root / "proc"):
        mend = "give the login CAP_SYS_RESOURCE, or higher hard limits"
        return Finding(
            "hard limits", Status.WARN, f"{shown}, and they cannot be raised", mend, "containers ask for no more than that"
        )
    return Finding("hard limits", Status.OK, shown)


def _inotify(system: System) -> list[Finding]:
    instances = system.number("proc/sys/fs/inotify/max_user_instances")
    if instances is None:
        return []
    enough = instances // INOTIFY_INSTANCES["a desktop"]
    if instances >= INOTIFY_INSTANCES["enough"]:
        return [Finding("file watches", Status.OK, f"{instances} for each user")]
    mend = "sysctl fs.inotify.max_user_instances=1024 (and a line in /etc/sysctl.d/ to keep it)"
    return [
        Finding("file watches", Status.WARN, f"{instances} for each user: enough for about {enough} desktops at once", mend)
    ]


def _processes(system: System) -> list[Finding]:
    most = system.number("proc/sys/kernel/pid_max")
    if most is None or most >= PROCESSES:
        return []
    mend = "sysctl kernel.pid_max=4194304"
    return [Finding("process numbers", Status.WARN, f"{most} for the whole host, few for many desktops", mend)]
