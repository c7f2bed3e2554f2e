"""Podman: no daemon, rootful or a user's own."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import pwd
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modulux import run
from modulux.errors import EngineError, StorageError
from modulux.storage import probe, service
from modulux.storage.configured import text, toml
from modulux.storage.engines.driver import Driver
from modulux.storage.facts import Facts, Held, Inventory, Origin, Part, Service

SYSTEM_FILES = (Path("/usr/share/containers/storage.conf"), Path("/etc/containers/storage.conf"))
UNITS = (
    "podman.socket",
    "podman.service",
    "podman-auto-update.timer",
    "podman-auto-update.service",
    "podman-clean-transient.service",
)
UNIT_LABEL = "PODMAN_SYSTEMD_UNIT"
OTHERS = {"crio": "CRI-O", "kubelet": "Kubernetes"}
"""Programs that use the same storage library, by default in the same folder."""


class Podman(Driver):
    def answers(self) -> bool:
        return self.attempt("info", "--format", "{{.Store.GraphRoot}}", timeout=60).ok

    def daemons(self) -> list[int]:
        process = self.facts.service.process
        return [pid for pid in service.processes("podman") if process and service.command(pid) == process.argv]

    def stopped(self) -> bool:
        """There is no daemon to stop; what counts is that no container runs."""
        try:
            return not self.do("ps", "--quiet").split()
        except EngineError:
            return True

    def untouched(self) -> bool:
        """Whoever wanted to use it waits for the locks that are held."""
        return True

    def start(self, log: Path) -> bool:
        if self.facts.service.process and self.daemons():
            return self.answers()
        return service.start(self.facts.service, self.facts.user, log, self.answers)

    def inventory(self) -> Inventory:
        images = self.do("images", "--all", "--no-trunc", "--format", "{{.Id}} {{.Repository}}:{{.Tag}}").splitlines()
        items = json.loads(self.do("ps", "--all", "--format", "json") or "[]")
        items.sort(key=lambda item: item["StartedAt"])
        return Inventory(
            images=sorted(line for line in images if probe.NAME not in line),
            containers=[_held(item) for item in items if item.get("Image") != probe.NAME],
            volumes=sorted(self.do("volume", "ls", "--format", "{{.Name}}").split()),
            networks=sorted(self.do("network", "ls", "--format", "{{.Name}}").split()),
        )

    def stop_container(self, container: Held) -> None:
        if container.unit and service.systemd():
            run.run(service.systemctl(self.facts.user, "stop", container.unit), timeout=3600)
        if container.id in {c.id for c in self.inventory().running}:
            self.do("stop", container.id, timeout=3600)

    def start_container(self, container: Held) -> None:
        if container.unit and service.systemd():
            done = run.run(service.systemctl(self.facts.user, "start", container.unit), timeout=3600)
            if not done.ok:
                raise EngineError(f"systemctl start {container.unit}: {done.stderr.strip()}")
            return
        self.do("start", container.id)

    def halt(self) -> None:
        super().halt()
        if self.facts.user:  # its namespace would keep the old tree in view
            self.attempt("system", "migrate", timeout=60)
            self.let_go(self.facts.root)

    @contextlib.contextmanager
    def hold(self, tree: Path) -> Iterator[None]:
        """Hold the locks of the storage library: whoever calls Podman meanwhile waits.

        These locks belong to the open file and not to the process, which opens and closes the same files as it compares them.
        """
        held: list[int] = []
        try:
            for file in [tree / "storage.lock", *sorted(tree.glob("*-*/*s.lock"))]:
                if file.is_file():
                    held.append(os.open(file, os.O_RDWR | os.O_CLOEXEC))
                    if not service.until(lambda: _locked(held[-1]), service.GRACE):
                        raise StorageError(f"another Podman is at work and does not end: it holds {file}")
            yield
        finally:
            for fd in held:
                os.close(fd)


def _locked(fd: int) -> bool:
    whole = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, whole)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True


def _held(item: dict[str, Any]) -> Held:
    labels = item.get("Labels") or {}
    return Held(
        id=item["Id"],
        name=item["Names"][0],
        running=item["State"] in {"running", "paused", "stopping", "restarting"},
        temporary=bool(item.get("AutoRemove")),
        paused=item["State"] == "paused",
        unit=labels.get(UNIT_LABEL),
    )


def find(user: str | None) -> Facts | None:
    """The Podman of this machine (root's), or of a user; None when there is none."""
    if not shutil.which("podman"):
        return None
    own = user is not None and pwd.getpwnam(user).pw_uid == os.geteuid()
    client = ["podman"] if user is None or own else [*service.as_user(user), "podman"]
    if user and not own and not Path(f"/run/user/{pwd.getpwnam(user).pw_uid}").is_dir():
        return _unasked(user, client, "its user is not logged in: no /run/user folder; `loginctl enable-linger` makes one")
    done = run.run([*client, "info", "--format", "json"], timeout=60)
    if not done.ok:
        said = done.stderr.strip().splitlines()
        return _unasked(user, client, f"it does not answer: {said[-1] if said else done.status}")
    info = json.loads(done.stdout)
    store, host = info["store"], info["host"]
    root = Path(store["graphRoot"])
    real = Path(os.path.realpath(root))
    parts, outside = _parts(root, store)
    return Facts(
        engine="podman",
        user=user,
        client=client,
        version=info["version"]["Version"],
        root=real,
        driver=store["graphDriverName"],
        running=True,
        origins=_origins(user, info),
        parts=parts,
        outside=outside,
        service=_service(user, real),
        refused=_refusals(user, store, host, real),
        notes=[] if root == real else [f"{root} is a symbolic link to {real}"],
    )


def _parts(root: Path, store: dict[str, Any]) -> tuple[list[Part], list[Part]]:
    driver = store["graphDriverName"]
    volumes = Path(store.get("volumePath") or root / "volumes")
    inside = [
        Part(name="images", folders=[root / driver, root / f"{driver}-images", root / f"{driver}-layers"]),
        Part(name="containers", folders=[root / f"{driver}-containers"]),
    ]
    part = Part(name="volumes", folders=[volumes])
    return ([*inside, part], []) if volumes.is_relative_to(root) else (inside, [part])


def _service(user: str | None, root: Path) -> Service:
    """What serves Podman's socket, if anything does."""
    if service.systemd():
        active = [u for u in UNITS if run.run(service.systemctl(user, "is-active", "--quiet", u), timeout=30).ok]
        return Service(units=active)
    uid = pwd.getpwnam(user).pw_uid if user else 0
    for pid in service.processes("podman"):
        argv = service.command(pid)
        if "service" in argv and "system" in argv and Path(f"/proc/{pid}").stat().st_uid == uid and _reaches(argv, root):
            return Service(process=service.started_as(pid))
    return Service()


def _reaches(argv: list[str], root: Path) -> bool:
    """Whether a Podman with this command line works on `root`: with a --root of its own it may not."""
    named = [argv[i + 1] for i, word in enumerate(argv[:-1]) if word == "--root"]
    return not named or Path(named[0]) == root


def _refusals(user: str | None, store: dict[str, Any], host: dict[str, Any], root: Path) -> list[str]:
    refused = []
    if host.get("serviceIsRemote"):
        refused.append("it is a Podman on another machine (CONTAINER_HOST, or a connection of `podman system connection`)")
    if store["graphDriverName"] in {"btrfs", "zfs", "devicemapper", "aufs"}:
        refused.append(f"its storage driver `{store['graphDriverName']}` keeps data in a way that copying files does not carry")
    if not user:
        refused += [
            f"{name} runs here and shares its storage" for program, name in OTHERS.items() if service.processes(program)
        ]
    for file, stores in additional_stores():
        if str(root) in {os.path.realpath(s) for s in stores}:
            refused.append(f"its storage is shared: {file} names it under additionalimagestores")
    return refused


def additional_stores() -> Iterator[tuple[Path, list[str]]]:
    """Every storage.conf, of the machine and of its users, that takes images from other storages too."""
    files = [*SYSTEM_FILES, *(Path(entry.pw_dir) / ".config/containers/storage.conf" for entry in pwd.getpwall())]
    for file in dict.fromkeys(files):
        options = toml(file).get("storage", {}).get("options", {})
        if found := options.get("additionalimagestores"):
            yield file, [store.partition(":")[0] for store in found]


def _origins(user: str | None, info: dict[str, Any]) -> list[Origin]:
    """Where the root is named. Podman's database remembers it as well, and goes before a changed file."""
    files = [*SYSTEM_FILES]
    if user:
        files.append(Path(pwd.getpwnam(user).pw_dir) / ".config/containers/storage.conf")
    if special := os.environ.get("CONTAINERS_STORAGE_CONF"):
        files = [Path(special)]
    found = []
    for file in files:
        for key, value in toml(file).get("storage", {}).items():
            if key in ({"graphroot", "rootless_storage_path", "imagestore"} if user else {"graphroot", "imagestore"}):
                found.append(Origin(where=str(file), says=f"{key} = {value}"))
    root = Path(info["store"]["graphRoot"])
    databases = [root / name for name in ("libpod/bolt_state.db", "db.sql") if (root / name).exists()]
    found += [Origin(where=str(file), says="Podman's database, which remembers the path") for file in databases]
    return found or [Origin(where="nowhere", says="Podman's default")]


def _unasked(user: str | None, client: list[str], why: str) -> Facts | None:
    """What can be told of a Podman that cannot be asked."""
    root = Path(pwd.getpwnam(user).pw_dir) / ".local/share/containers/storage" if user else Path("/var/lib/containers/storage")
    files = [Path(pwd.getpwnam(user).pw_dir) / ".config/containers/storage.conf"] if user else [SYSTEM_FILES[1]]
    origins = [
        Origin(where=str(file), says=f"graphroot = {value}")
        for file in files
        if (value := toml(file).get("storage", {}).get("graphroot")) and text(file)
    ]
    if origins:
        root = Path(origins[0].says.partition("= ")[2])
    if not root.is_dir():
        return None
    return Facts(engine="podman", user=user, client=client, root=root, driver="overlay", origins=origins, refused=[why])
