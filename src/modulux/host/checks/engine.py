"""The engine itself: there, answering, new enough, and with the helpers that it needs."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from modulux.host import packages
from modulux.host.finding import EngineInfo, Finding, Status, System

OLDEST = {"podman": (4, 3), "docker": (20, 10)}
"""The first versions with all that Modulux asks for; those of Debian 12."""


def numbers(text: str) -> tuple[int, ...]:
    """The version in `text`: "4.3.1+ds1" → (4, 3, 1)."""
    match = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(number) for number in match[0].split(".")) if match else ()


def ask(system: System) -> EngineInfo:
    """What the engine says of itself."""
    if system.execute is None or system.which(system.engine) is None:
        return EngineInfo(problem="it is not installed")
    done = system.execute([system.engine, "info", "--format", "json" if system.engine == "podman" else "{{json .}}"])
    try:
        said: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        said = {}
    info = _podman(said) if system.engine == "podman" else _docker(said)
    if done.ok and info.version:
        return info
    last = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit status {done.status}"]
    return EngineInfo(problem=last[-1].strip())


def _podman(said: dict[str, Any]) -> EngineInfo:
    if not said:
        return EngineInfo()
    store, runtime = said.get("store", {}), said.get("host", {}).get("ociRuntime", {})
    data = store.get("graphRoot")
    return EngineInfo(
        numbers(said.get("version", {}).get("Version", "")),
        Path(data) if data else None,
        store.get("graphDriverName"),
        runtime.get("path") or runtime.get("name"),
    )


def _docker(said: dict[str, Any]) -> EngineInfo:
    data = said.get("DockerRootDir")
    return EngineInfo(
        numbers(said.get("ServerVersion") or ""), Path(data) if data else None, said.get("Driver"), said.get("DefaultRuntime")
    )


def check(system: System, info: EngineInfo) -> list[Finding]:
    """Whether the engine is there, answers and is new enough, and what of its helpers is missing."""
    host = packages.Host(packages.debian_release(system.root / "etc"), not system.rootless)
    absent = [need for need in packages.engine_needs(system.engine, host, system.root) if not need.met(system.which)]
    return [_engine(system, info), *(_helper(need) for need in absent if need.package != system.engine)]


def _helper(need: packages.Need) -> Finding:
    return Finding(
        need.package, Status.FAIL, f"is missing: {need.why}", f"apt-get install --no-install-recommends {need.package}"
    )


def _engine(system: System, info: EngineInfo) -> Finding:
    oldest = OLDEST[system.engine]
    if info.problem:
        return _silent(system, info.problem)
    version = ".".join(map(str, info.version))
    if info.version < oldest:
        wanted = ".".join(map(str, oldest))
        mend = f"install {system.engine} {wanted} or later (Debian 12 and later have it)"
        return Finding(system.engine, Status.FAIL, f"version {version} is too old", mend)
    return Finding(system.engine, Status.OK, f"version {version}, {'as root' if not system.rootless else 'without root'}")


def _silent(system: System, problem: str) -> Finding:
    if system.which(system.engine) is None:
        return Finding(system.engine, Status.FAIL, "is not installed", "modulux up installs it, after asking")
    if system.engine == "podman":
        return Finding("podman", Status.FAIL, f"does not work: {problem}", "podman info shows more")
    address = system.environ.get("DOCKER_HOST", "")
    socket = Path(address.removeprefix("unix://")) if address.startswith("unix://") else system.root / "var/run/docker.sock"
    if address and not address.startswith("unix://"):
        return Finding(
            "docker", Status.FAIL, f"the daemon at {address} does not answer: {problem}", "start it, or unset DOCKER_HOST"
        )
    if not socket.exists():
        return Finding(
            "docker", Status.FAIL, f"its daemon does not run: there is no {socket}", "as root: systemctl start docker"
        )
    if not os.access(socket, os.R_OK | os.W_OK):
        mend = (
            f"as root: usermod -aG docker {system.user}, then log in anew (that group is as powerful as root); or take Podman"
        )
        return Finding("docker", Status.FAIL, f"{system.user} may not use {socket}", mend)
    return Finding("docker", Status.FAIL, f"its daemon does not answer: {problem}", "as root: systemctl restart docker")
