"""Docker: a daemon, rootful or a user's own."""

from __future__ import annotations

import json
import os
import pwd
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from modulux import run
from modulux.storage import probe, service
from modulux.storage.configured import daemon_json, flag, unit_origins
from modulux.storage.engines.driver import Driver
from modulux.storage.facts import Facts, Held, Inventory, Origin, Part, Service

ROOT_FLAGS = ("--data-root", "--graph", "-g")
ROOT_KEYS = ("data-root", "graph")
UNITS = ["docker.socket", "docker.service"]
STOPS_MORE = 60.0
"""Seconds beyond a container's own patience."""


class Docker(Driver):
    def answers(self) -> bool:
        return self.attempt("version", "--format", "{{.Server.Version}}", timeout=30).ok

    def daemons(self) -> list[int]:
        process = self.facts.service.process
        return [pid for pid in service.processes("dockerd") if process and service.command(pid) == process.argv]

    def stopped(self) -> bool:
        return not self.daemons() and not self.answers()

    def inventory(self) -> Inventory:
        images = self.do("image", "ls", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}").splitlines()
        ids = self.do("container", "ls", "--all", "--quiet", "--no-trunc").split()
        items = json.loads(self.do("container", "inspect", *ids)) if ids else []
        items.sort(key=lambda item: str(item["State"]["StartedAt"]))
        return Inventory(
            images=sorted(line for line in images if probe.NAME not in line),
            containers=[_held(item) for item in items if item["Config"]["Image"] != probe.NAME],
            volumes=sorted(self.do("volume", "ls", "--format", "{{.Name}}").split()),
            networks=sorted(self.do("network", "ls", "--format", "{{.Name}}").split()),
        )

    def stop_container(self, container: Held) -> None:
        self.do("stop", container.id, timeout=3600)

    def runtime_words(self, words: list[str]) -> list[str]:  # noqa: ARG002  the daemon knows its runtime
        return []


def _held(item: dict[str, Any]) -> Held:
    state = item["State"]
    return Held(
        id=item["Id"],
        name=item["Name"].lstrip("/"),
        running=bool(state["Running"] or state.get("Restarting")),
        temporary=bool(item["HostConfig"]["AutoRemove"]),
        paused=bool(state["Paused"]),
    )


def find(user: str | None) -> Facts | None:
    """The Docker of this machine, or of a user; None when there is none."""
    socket = _socket(user)
    config = _config(user)
    client = ["docker", "--host", f"unix://{socket}"]
    pid = service.listener(socket)
    if pid is None:
        return _not_running(user, client, config)
    done = run.run([*client, "info", "--format", "{{json .}}"], timeout=60) if shutil.which("docker") else None
    info: dict[str, Any] = json.loads(done.stdout) if done and done.ok else {}
    if not info.get("DockerRootDir"):
        return _not_running(user, client, config)
    daemon = _daemon(pid, user)
    argv = service.command(daemon)
    config = Path(flag(argv, ("--config-file",)) or config)
    root = Path(info["DockerRootDir"])
    unit = service.unit_of(daemon) if daemon else None
    refused = _refusals(info, daemon, argv, unit)
    known = Service(units=UNITS) if unit else Service(process=service.started_as(daemon)) if argv else Service()
    parts, outside = _parts(root, info, argv)
    return Facts(
        engine="docker",
        user=user,
        client=client,
        version=info.get("ServerVersion", ""),
        root=Path(os.path.realpath(root)),
        driver=info.get("Driver"),
        running=True,
        origins=_origins(config, argv, user),
        parts=parts,
        outside=outside,
        config=config,
        service=known,
        refused=refused,
        notes=_notes(info, root),
    )


def _socket(user: str | None) -> Path:
    if user:
        return Path(f"/run/user/{pwd.getpwnam(user).pw_uid}/docker.sock")
    host = os.environ.get("DOCKER_HOST", "")
    if host.startswith("unix://"):
        return Path(host.removeprefix("unix://"))
    return Path("/var/run/docker.sock")


def _config(user: str | None) -> Path:
    return Path(pwd.getpwnam(user).pw_dir) / ".config/docker/daemon.json" if user else Path("/etc/docker/daemon.json")


def _daemon(pid: int, user: str | None) -> int:
    """The daemon behind a socket: systemd itself may be the one that listens there."""
    if service.command(pid)[:1] and Path(service.command(pid)[0]).name == "dockerd":
        return pid
    uid = pwd.getpwnam(user).pw_uid if user else 0
    candidates = [p for p in service.processes("dockerd") if Path(f"/proc/{p}").stat().st_uid == uid]
    return candidates[0] if len(candidates) == 1 else 0


def _refusals(info: dict[str, Any], daemon: int, argv: list[str], unit: str | None) -> list[str]:
    refused = []
    root = str(info["DockerRootDir"])
    if "Docker Desktop" in str(info.get("OperatingSystem")):
        refused.append(
            "it is run by Docker Desktop, which keeps its data in a virtual machine's disk and has its own setting for that"
        )
    elif root.startswith("/var/snap/") or (unit or "").startswith("snap.") or (argv and argv[0].startswith("/snap/")):
        refused.append("it is run by snap, whose confinement keeps its data below /var/snap")
    elif not daemon or not argv:
        refused.append("its daemon runs outside of what can be seen from here (another machine, container or namespace)")
    elif unit and unit not in UNITS:
        refused.append(f"it is run by the unit {unit}, which is not Docker's own")
    if info.get("Driver") in {"btrfs", "zfs", "devicemapper", "aufs"}:
        refused.append(f"its storage driver `{info['Driver']}` keeps data in a way that copying files does not carry")
    if info.get("Swarm", {}).get("LocalNodeState") == "active":
        refused.append("it is a node of a swarm, which would replace the containers while it is stopped")
    return refused


def _notes(info: dict[str, Any], root: Path) -> list[str]:
    notes = [] if root == Path(os.path.realpath(root)) else [f"{root} is a symbolic link to {os.path.realpath(root)}"]
    if info.get("LiveRestoreEnabled"):
        notes.append("live-restore is on; containers are stopped all the same, since their files move")
    return notes


def _parts(root: Path, info: dict[str, Any], argv: list[str]) -> tuple[list[Part], list[Part]]:
    driver = str(info.get("Driver"))
    images = [root / driver, root / "image"]
    outside = []
    if any("io.containerd.snapshotter" in str(value) for pair in info.get("DriverStatus") or [] for value in pair):
        images = [root / "containerd"]
        if flag(argv, ("--containerd",)):
            outside.append(Part(name="images (move containerd too)", folders=[Path("/var/lib/containerd")]))
    return [
        Part(name="images", folders=images),
        Part(name="containers", folders=[root / "containers"]),
        Part(name="volumes", folders=[root / "volumes"]),
    ], outside


def _origins(config: Path, argv: Iterable[str], user: str | None) -> list[Origin]:
    """Everywhere the data root is named; the default when nowhere."""
    argv = list(argv)
    found = daemon_json(config, ROOT_KEYS)
    units = unit_origins("docker.service", ROOT_FLAGS, user)
    found += units
    value = flag(argv, ROOT_FLAGS)
    if value and not units:
        word = next(f for f in ROOT_FLAGS if any(a == f or a.startswith(f"{f}=") for a in argv))
        found.append(Origin(where="the command line of dockerd", says=f"{word} {value}"))
    return found or [Origin(where="nowhere", says="Docker's default")]


def _not_running(user: str | None, client: list[str], config: Path) -> Facts | None:
    """What can be told of a Docker that does not answer, from its files alone."""
    origins = _origins(config, (), user)
    named = [origin.says.split(maxsplit=1)[1].strip() for origin in origins if origin.where != "nowhere"]
    default = Path(pwd.getpwnam(user).pw_dir) / ".local/share/docker" if user else Path("/var/lib/docker")
    root = Path(named[0]) if named else default
    desktop = Path.home() / ".docker/desktop"
    if not root.is_dir() and not (desktop.is_dir() and not user):
        return None
    refused = ["it does not run: what it holds could not be compared; start it first"]
    if desktop.is_dir() and not user:
        refused = [
            "it is run by Docker Desktop, which keeps its data in a virtual machine's disk and has its own setting for that"
        ]
    return Facts(
        engine="docker",
        user=user,
        client=client,
        root=Path(os.path.realpath(root)),
        origins=origins,
        parts=_parts(root, {"Driver": "overlay2"}, [])[0],
        config=config,
        refused=refused,
    )
