"""Placed modules → the plan. Pure: nothing is asked of an engine or the host."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from modulux.model import plan as p
from modulux.model.desktop import Desktop, Gateway
from modulux.model.interface import Interface
from modulux.model.module import Module
from modulux.resolve.catalog import Catalog
from modulux.resolve.compose import Placed, compose
from modulux.resolve.shares import host_folder
from modulux.resolve.template import fill


@dataclass(frozen=True)
class HostFacts:
    """What of the host the plan depends on."""

    timezone: str = "UTC"
    home: str = "/root"


def container_name(desktop: str, module: str) -> str:
    """The engine's name for a module of a desktop; a desktop's own name holds no dot."""
    return f"modulux.{desktop}.{module}"


def resolve(desktop: Desktop, catalog: Catalog, host: HostFacts, file: str | None = None) -> p.Plan:
    """What the desktop comes to.

    Args:
        file: where the desktop was read from, for errors.

    Raises:
        ResolveError, FileError: see `compose` and `Catalog`.
    """
    placed = compose(desktop, catalog, file)
    return _Resolver(desktop, catalog, host).plan(placed)


class _Resolver:
    def __init__(self, desktop: Desktop, catalog: Catalog, host: HostFacts) -> None:
        self.desktop = desktop
        self.catalog = catalog
        self.host = host
        self.timezone = host.timezone if desktop.timezone == "host" else desktop.timezone
        self.volumes: dict[str, p.Volume] = {}
        self.networks: dict[str, p.Network] = {}

    def plan(self, placed: list[Placed]) -> p.Plan:
        shares = self._shares()
        containers = [self._container(m, shares) for m in placed]
        containers = _with_joined_shm(containers)
        return p.Plan(
            desktop=self.desktop.name,
            images=tuple(self.catalog.images(m.found.id for m in placed)),
            volumes=tuple(self.volumes.values()),
            networks=tuple(self.networks.values()),
            containers=tuple(self._labelled(c) for c in containers),
        )

    def _labels(self, **more: str) -> dict[str, str]:
        return {p.OWNER: "modulux", p.DESKTOP: self.desktop.name, p.SCHEMA: p.SCHEMA_VERSION, **more}

    def _volume(self, part: str, kept: bool) -> str:
        name = container_name(self.desktop.name, part)
        self.volumes[name] = p.Volume(name, kept, self._labels(**{p.KEPT: "true" if kept else "false"}))
        return name

    def _shares(self) -> list[p.Mount]:
        mounts = []
        for name, share in self.desktop.shares.items():
            source = host_folder(share.host, self.host.home) if share.host else self._volume(f"share.{name}", kept=True)
            mounts.append(p.Mount(source, share.target, read_only=False))
        return mounts

    def _network(self, kind: str) -> tuple[str, ...]:
        if kind == "none":
            return ()
        name = container_name(self.desktop.name, kind)
        self.networks[name] = p.Network(name, internal=kind == "desktop", labels=self._labels())
        return (name,)

    def _meetings(self, module: Placed) -> list[tuple[str, Interface, Placed]]:
        """(name, interface, provider) of all that the module provides or takes."""
        own = [(n, self.catalog.interfaces[n], module) for n in module.found.contract.provides]
        return own + [(n, self.catalog.interfaces[n], other) for n, other in module.links.items()]

    def _mounts(self, module: Placed, shares: list[p.Mount]) -> tuple[p.Mount, ...]:
        mounts: list[p.Mount] = []
        in_a_home = False
        for name, interface, provider in self._meetings(module):
            if interface.volume is None:
                continue
            volume = self._volume(f"{provider.short}.{name}", interface.kept)
            read_only = provider is not module and interface.clients == "read-only"
            mounts.append(p.Mount(volume, interface.volume, read_only))
            in_a_home = in_a_home or interface.volume == "/home/user"
        return tuple(mounts + (shares if in_a_home else []))

    def _container(self, module: Placed, shares: list[p.Mount]) -> p.Container:
        found, contract = module.found, module.found.contract
        name = container_name(self.desktop.name, module.short)
        ipc = next((o for n, i, o in self._meetings(module) if i.ipc), None)
        joined = None if ipc is None or ipc is module else container_name(self.desktop.name, ipc.short)
        words = self._words(module)

        def values(text: str) -> str:
            return fill(text, words, found.file)

        return p.Container(
            name=name,
            short=module.short,
            module=found.id,
            role=contract.role,
            image=self.catalog.reference(found.id),
            hostname=self.desktop.name,
            command=tuple(values(word) for word in contract.command),
            env=self._env(module) | {k: values(v) for k, v in contract.env.items()},
            mounts=self._mounts(module, shares),
            networks=self._network(contract.network),
            publish=self._publish(module),
            ipc=joined or ("shareable" if ipc is module else "private"),
            shm=contract.shm,
            memory=min(contract.limits.memory, self.desktop.limits.memory or contract.limits.memory),
            cpus=min(contract.limits.cpus, self.desktop.limits.cpus or contract.limits.cpus),
            pids=min(contract.limits.pids, self.desktop.limits.pids or contract.limits.pids),
            capabilities=tuple(contract.capabilities),
            devices=tuple(contract.devices),
            seccomp=str(Path(found.folder, contract.seccomp).resolve()) if contract.seccomp else None,
            host_files=any(share.host for share in self.desktop.shares.values()),
            ready=self._ready(module),
            needs=(joined,) if joined else (),
            labels=self._labels(
                **{p.MODULE: found.id, p.ROLE: contract.role, p.NEEDS: joined or ""} | self._described(module, values)
            ),
        )

    def _described(self, module: Placed, values: Callable[[str], str]) -> dict[str, str]:
        """Labels by which a running module can be used without its files: its sockets and actions, the desktop's file."""
        contract = module.found.contract
        sockets = {n: s for n in contract.provides if (s := self.catalog.interfaces[n].socket)}
        actions = {n: [values(word) for word in command] for n, command in contract.actions.items()}
        return {
            p.SOCKETS: json.dumps(sockets),
            p.ACTIONS: json.dumps(actions),
            p.FILE: self.desktop.model_dump_json(by_alias=True, exclude_defaults=True),
        }

    def _words(self, module: Placed) -> dict[str, str]:
        screen = self.desktop.screen
        return {
            "screen": str(screen),
            "screen.width": str(screen.width),
            "screen.height": str(screen.height),
            "desktop": self.desktop.name,
            "locale": self.desktop.locale,
            "timezone": self.timezone,
            "keyboard": self.desktop.keyboard,
            **{f"param.{k}": str(v).lower() if isinstance(v, bool) else str(v) for k, v in module.params.items()},
        }

    def _env(self, module: Placed) -> dict[str, str]:
        contract = module.found.contract
        waits = [i.socket for _, i, other in self._meetings(module) if other is not module and i.socket]
        env = {
            "LANG": self.desktop.locale,
            "TZ": self.timezone,
            "MODULUX_DESKTOP": self.desktop.name,
            "MODULUX_MODULE": module.found.id,
            "MODULUX_SCREEN": str(self.desktop.screen),
            "MODULUX_WAIT": " ".join(waits),
            "MODULUX_RESTART": contract.restart,
        }
        for _, interface, _ in self._meetings(module):
            env |= interface.env
        return env

    def _publish(self, module: Placed) -> tuple[p.Publish, ...]:
        gateway = self.desktop.gateway or Gateway(module="web")
        ports = [(n, i.port) for n, i, other in self._meetings(module) if other is module and i.port]
        return tuple(p.Publish(n, gateway.address, gateway.host_port(n), port) for n, port in ports)

    def _ready(self, module: Placed) -> p.Readiness:
        contract: Module = module.found.contract
        ready = contract.ready
        conditions = [f"socket={i.socket}" for _, i, other in self._meetings(module) if other is module and i.socket]
        conditions += [f"bus-name={n}" for n in ready.bus_names] + [f"window={w}" for w in ready.windows]
        if ready.command:
            conditions.append(f"command={' '.join(ready.command)}")
        return p.Readiness(tuple(conditions), ready.timeout, tuple(p.DrawnArea(d.area, d.colours) for d in ready.drawn))

    def _labelled(self, container: p.Container) -> p.Container:
        """With the hash of all that makes it what it is; where it came from (the file) does not count."""
        content = {k: v for k, v in dataclasses.asdict(container).items() if k != "labels"}
        kept = {k: v for k, v in container.labels.items() if k != p.FILE}
        return dataclasses.replace(container, labels={**container.labels, p.HASH: p.fingerprint([content, kept])})


def _with_joined_shm(containers: list[p.Container]) -> list[p.Container]:
    """Who joins an IPC namespace shares its /dev/shm, so the owner's must hold what all of them need."""
    needed: dict[str, int] = {}
    for c in containers:
        owner = c.name if c.ipc in ("shareable", "private") else c.ipc
        needed[owner] = max(needed.get(owner, 0), c.shm)
    return [dataclasses.replace(c, shm=needed.get(c.name, c.shm)) for c in containers]
