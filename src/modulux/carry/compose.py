"""A plan as a file for Compose: the same containers under the same names, so that the verbs for a running desktop serve it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modulux.engine.commandline import PROCESSORS, TMPFS
from modulux.model.plan import Container, Plan


def project(plan: Plan, ulimits: Mapping[str, int]) -> dict[str, Any]:
    """The file's content.

    Args:
        ulimits: what this host allows, by name.
    """
    networks = {n.name: {"name": n.name, "internal": n.internal, "labels": n.labels} for n in plan.networks}
    return {
        "services": {c.short: _service(c, plan, ulimits) for c in plan.containers},
        "volumes": {v.name: {"name": v.name, "labels": _plain(v.labels)} for v in plan.volumes},
        **({"networks": networks} if networks else {}),
    }


def profiles(plan: Plan) -> dict[str, str]:
    """Seccomp profiles by the name of the file that they are to lie in, beside the project's."""
    return {profile(c): Path(c.seccomp).read_text() for c in plan.containers if c.seccomp}


def profile(c: Container) -> str:
    """The name of the container's seccomp profile."""
    return f"seccomp-{c.module.replace('/', '-')}.json"


def _plain(values: Mapping[str, str]) -> dict[str, str]:
    """Compose fills in what follows a dollar sign."""
    return {key: value.replace("$", "$$") for key, value in values.items()}


def _service(c: Container, plan: Plan, ulimits: Mapping[str, int]) -> dict[str, Any]:
    by_name = {other.name: other.short for other in plan.containers}
    made: dict[str, Any] = {
        "image": c.image,
        "container_name": c.name,
        "hostname": c.hostname,
        "command": [word.replace("$", "$$") for word in c.command],
        "environment": _plain(c.env),
        "labels": _plain(c.labels),
        "user": "1000:1000",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true", *([f"seccomp:./{profile(c)}"] if c.seccomp else [])],
        "mem_limit": c.memory,
        "memswap_limit": c.memory,
        "cpus": min(c.cpus, PROCESSORS),
        "pids_limit": c.pids,
        "ulimits": {name: {"soft": value, "hard": value} for name, value in ulimits.items()},
        "tmpfs": [f"{path}:rw,nosuid,nodev,mode=1777,size={size}" for path, size in TMPFS.items()],
        "ipc": c.ipc if c.ipc in ("private", "shareable") else f"service:{by_name[c.ipc]}",
        "volumes": [f"{m.source}:{m.target}{':ro' if m.read_only else ''}" for m in c.mounts],
        "restart": "on-failure:10",
        "stop_grace_period": "5s",
    }
    if c.ipc in ("private", "shareable"):
        made["shm_size"] = c.shm
    if c.networks:
        made["networks"] = list(c.networks)
    else:
        made["network_mode"] = "none"
    for key, values in {"cap_add": c.capabilities, "devices": c.devices}.items():
        if values:
            made[key] = list(values)
    if c.publish:
        made["ports"] = [f"{p.address}:{p.host_port or ''}:{p.port}" for p in c.publish]
    if first := sorted({by_name[name] for name in (*c.needs, *c.after)}):
        made["depends_on"] = first
    return made
