"""containerd, by itself or under Docker; it is asked by `ctr`, which comes with it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from modulux import run
from modulux.storage import probe, service
from modulux.storage.configured import flag, toml, unit_origins
from modulux.storage.engines import docker
from modulux.storage.engines.driver import Driver
from modulux.storage.facts import Facts, Held, Inventory, Origin, Part, Service

SOCKET = Path("/run/containerd/containerd.sock")
CONFIG = Path("/etc/containerd/config.toml")
ROOT = Path("/var/lib/containerd")
DOCKER = "moby"
"""The namespace in which Docker keeps its own."""


class Containerd(Driver):
    @property
    def above(self) -> docker.Docker | None:
        """The Docker that works on it, if one does."""
        units = self.facts.service.units
        if "docker.service" not in units:
            return None
        client = ["docker", "--host", "unix:///var/run/docker.sock"]
        return docker.Docker(Facts(engine="docker", client=client, root=self.facts.root))

    def answers(self) -> bool:
        return self.attempt("version", timeout=30).ok and (self.above is None or self.above.answers())

    def daemons(self) -> list[int]:
        process = self.facts.service.process
        return [pid for pid in service.processes("containerd") if process and service.command(pid) == process.argv]

    def stopped(self) -> bool:
        return not self.daemons() and service.listener(SOCKET) is None

    def inventory(self) -> Inventory:
        held = self.above.inventory() if self.above else Inventory()
        images, containers = list(held.images), list(held.containers)
        for namespace in self.do("namespaces", "ls", "--quiet").split():
            names = self.do("--namespace", namespace, "images", "ls", "--quiet").split()
            images += [f"{namespace}/{name}" for name in names if name != probe.NAME]
            if namespace != DOCKER:
                busy = {
                    line.split()[0]
                    for line in self.do("--namespace", namespace, "tasks", "ls").splitlines()[1:]
                    if line.strip()
                }
                ids = self.do("--namespace", namespace, "containers", "ls", "--quiet").split()
                containers += [Held(id=f"{namespace}/{i}", name=f"{namespace}/{i}", running=i in busy) for i in ids]
        return Inventory(images=sorted(images), containers=containers, volumes=held.volumes, networks=held.networks)

    def stop_container(self, container: Held) -> None:
        if self.above and "/" not in container.id:
            self.above.stop_container(container)

    def start_container(self, container: Held) -> None:
        if self.above and "/" not in container.id:
            self.above.start_container(container)

    def _try(self, file: Path) -> None:
        self.do("images", "import", str(file))
        self.do("run", "--rm", "--null-io", probe.NAME, "modulux-storage-probe")

    def _forget(self) -> None:
        self.attempt("images", "rm", probe.NAME)


def find(user: str | None) -> Facts | None:
    """The containerd of this machine; Docker's own child, whose data lie in Docker's, is not meant."""
    if user or not shutil.which("containerd"):
        return None
    pid = service.listener(SOCKET)
    argv = service.command(pid) if pid else []
    config = Path(flag(argv, ("-c", "--config")) or CONFIG)
    told = toml(config).get("root")
    root = Path(flag(argv, ("--root",)) or told or ROOT)
    if pid is None and not root.is_dir():
        return None
    client = ["ctr"]
    facts = Facts(
        engine="containerd",
        client=client,
        version=_version(client) if pid else "",
        root=Path(os.path.realpath(root)),
        driver="overlayfs",
        running=pid is not None,
        origins=_origins(config, told, argv),
        parts=[
            Part(
                name="images",
                folders=[root / "io.containerd.content.v1.content", *sorted(root.glob("io.containerd.snapshotter.v1.*"))],
            ),
            Part(name="containers", folders=[root / "io.containerd.metadata.v1.bolt"]),
        ],
        config=config,
        refused=["it does not run: what it holds could not be compared; start it first"] if pid is None else [],
    )
    if pid is None:
        return facts
    known, refused = _service(pid, argv)
    driver = Containerd(facts.model_copy(update={"service": known}))
    own = [c.name for c in driver.inventory().running if "/" in c.name] if not refused else []
    if own:
        refused.append(f"containers run on it whose starter is not known here ({', '.join(own)}): stop them first")
    return driver.facts.model_copy(update={"refused": refused})


def _service(pid: int, argv: list[str]) -> tuple[Service, list[str]]:
    refused = [
        f"it is run by {name}"
        for program, name in {"kubelet": "Kubernetes", "k3s-server": "k3s"}.items()
        if service.processes(program)
    ]
    if not argv:
        return Service(), [
            *refused,
            "its daemon runs outside of what can be seen from here (another machine, container or namespace)",
        ]
    if argv[0].startswith("/snap/"):
        refused.append("it is run by snap, whose confinement keeps its data below /var/snap")
    unit = service.unit_of(pid)
    if unit:
        above = run.run(service.systemctl(None, "is-active", "--quiet", "docker.service"), timeout=30).ok
        return Service(units=[*(docker.UNITS if above else ()), unit]), refused
    if any("containerd.sock" in word for p in service.processes("dockerd") for word in service.command(p)):
        refused.append("a dockerd that no service manager has started works on it: stop that first")
    return Service(process=service.started_as(pid)), refused


def _version(client: list[str]) -> str:
    done = run.run([*client, "version"], timeout=30)
    lines = [line.split()[-1] for line in done.stdout.partition("Server:")[2].splitlines() if "Version:" in line]
    return lines[0] if lines else ""


def _origins(config: Path, told: object, argv: list[str]) -> list[Origin]:
    found = [Origin(where=str(config), says=f"root = {told}")] if told else []
    units = unit_origins("containerd.service", ("--root",), None)
    found += units
    if (value := flag(argv, ("--root",))) and not units:
        found.append(Origin(where="the command line of containerd", says=f"--root {value}"))
    return found or [Origin(where="nowhere", says="containerd's default")]
