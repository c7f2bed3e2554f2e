"""Placed modules → the plan. Pure: nothing is asked of an engine or the host."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from modulux.errors import ResolveError
from modulux.model import plan as p
from modulux.model.desktop import Desktop, Gateway
from modulux.model.interface import Interface
from modulux.model.module import Role
from modulux.resolve.catalog import Catalog
from modulux.resolve.compose import Placed, compose
from modulux.resolve.shares import host_folder
from modulux.resolve.template import fill


@dataclass(frozen=True)
class HostFacts:
    """What of the host the plan depends on."""

    timezone: str = "UTC"
    home: str = "/root"
    devices: frozenset[str] = frozenset()
    """Paths below /dev that are there; none unless somebody looked."""
    machine: str | None = None
    """The hostname of the machine of containers that it is for, which has a network of its own to give."""


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


HOME = "/home/user"

TERMINAL = "{terminal}"
"""Stays as it is: the machine gives the number, since it knows all that want one."""


@dataclass(frozen=True)
class Meeting:
    """A module at an interface: it is the provider, or takes it from the provider."""

    name: str
    interface: Interface
    provider: Placed
    module: Placed

    @property
    def own(self) -> bool:
        return self.provider is self.module

    @property
    def outer(self) -> bool:
        """Whether the module provides the same interface itself, and so finds this one elsewhere."""
        return not self.own and self.interface.outer is not None and self.name in self.module.found.contract.provides

    @property
    def target(self) -> str | None:
        """Where the volume is mounted in the module."""
        return self.interface.outer.volume if self.outer and self.interface.outer else self.interface.volume

    @property
    def read_only(self) -> bool:
        return not self.own and self.interface.clients == "read-only"

    @property
    def env(self) -> dict[str, str]:
        return self.interface.outer.env if self.outer and self.interface.outer else self.interface.env

    @property
    def socket(self) -> str | None:
        """The provider's socket, as the module sees it."""
        if self.interface.socket is None:
            return None
        words = {"session": self.provider.session, "module": self.provider.short}
        socket = fill(self.interface.socket, words, self.provider.found.file)
        if self.outer and self.target and self.interface.volume:
            return self.target + socket.removeprefix(self.interface.volume)
        return socket

    @property
    def content(self) -> bool:
        """Whether the volume is of use for what the provider's image puts in it, not for a socket."""
        return not self.own and self.interface.volume is not None and self.interface.socket is None and not self.interface.kept


def record(desktop: Desktop) -> p.Volume:
    """An empty volume whose labels say what the desktop was made from: those of a container cannot change while it runs."""
    name = container_name(desktop.name, "record")
    file = quote(desktop.model_dump_json(by_alias=True, exclude_unset=True), safe=":{}[]")  # Podman splits at commas
    labels = {p.OWNER: "modulux", p.DESKTOP: desktop.name, p.SCHEMA: p.SCHEMA_VERSION, p.KEPT: "false", p.FILE: file}
    return p.Volume(name, False, labels)


class _Resolver:
    def __init__(self, desktop: Desktop, catalog: Catalog, host: HostFacts) -> None:
        self.desktop = desktop
        self.catalog = catalog
        self.host = host
        self.timezone = host.timezone if desktop.timezone == "host" else desktop.timezone
        self.volumes: dict[str, p.Volume] = {}
        self.networks: dict[str, p.Network] = {}
        self.fixed: dict[str, str] = {}  # by screen: the session that fills it and keeps its size

    def plan(self, placed: list[Placed]) -> p.Plan:
        self.fixed = {m.screen: m.found.id for m in placed if m.found.contract.fixed and m.wanted.outer == m.screen}
        self._record()
        shares = self._shares()
        containers = [self._container(m, shares) for m in placed]
        containers = _with_joined_shm(containers)
        return p.Plan(
            desktop=self.desktop.name,
            images=tuple(self.catalog.images((m.found.id for m in placed), self.desktop.locale)),
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

    def _record(self) -> None:
        volume = record(self.desktop)
        self.volumes[volume.name] = volume

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
        if kind == "machine":
            return (name,)  # there already: nothing to make
        self.networks[name] = p.Network(name, internal=kind == "desktop", labels=self._labels())
        return (name,)

    def _meetings(self, module: Placed) -> list[Meeting]:
        """All that the module provides or takes; an untrusted app provides nothing."""
        provides = [] if module.wanted.alone else module.found.contract.provides
        own = [Meeting(n, self.catalog.interfaces[n], module, module) for n in provides]
        return own + [Meeting(n, self.catalog.interfaces[n], other, module) for n, other in module.links.items()]

    def _mounts(self, module: Placed, shares: list[p.Mount]) -> tuple[p.Mount, ...]:
        mounts: dict[str, p.Mount] = {}
        for meeting in self._meetings(module):
            if meeting.target is None:
                continue
            shared = meeting.interface.shared
            owner = self._common(meeting.name, module) if shared else f"{meeting.provider.short}.{meeting.name}"
            volume = self._volume(owner, meeting.interface.kept)
            mounts.setdefault(meeting.target, p.Mount(volume, meeting.target, meeting.read_only))
        if module.wanted.alone:
            mounts[HOME] = p.Mount(self._volume(f"{module.short}.home", kept=False), HOME, read_only=False)
            return tuple(mounts.values())
        for name in module.found.contract.uses:  # who will provide a shared one may come while the desktop runs
            interface = self.catalog.interfaces.get(name)
            if interface is not None and interface.shared and interface.volume and interface.volume not in mounts:
                read_only = interface.clients == "read-only"
                mounts[interface.volume] = p.Mount(
                    self._volume(self._common(name, module), interface.kept), interface.volume, read_only
                )
        everything = [*mounts.values(), *(shares if HOME in mounts else [])]
        return tuple(sorted(everything, key=lambda mount: mount.target))  # whoever provides what: it is the same container

    def _common(self, interface: str, module: Placed) -> str:
        """The volume of a shared interface: the desktop's, or of what is for one screen alone, that of the module's screen."""
        first = self.desktop.sessions[0].module
        apart = self.catalog.interfaces[interface].per == "screen" and module.screen != first
        return f"{interface}-{module.screen}" if apart else interface

    def _ipc(self, module: Placed) -> str:
        """`private`, `shareable`, or the container whose IPC namespace is joined: of nested displays the outermost."""
        if module.wanted.alone:
            return "private"
        meetings = [m for m in self._meetings(module) if m.interface.ipc]
        taken = next((m.provider for m in meetings if not m.own), None)
        if taken is None:
            return "shareable" if meetings else "private"
        above = self._ipc(taken)
        return container_name(self.desktop.name, taken.short) if above == "shareable" else above

    def _container(self, module: Placed, shares: list[p.Mount]) -> p.Container:
        found, contract = module.found, module.found.contract
        name = container_name(self.desktop.name, module.short)
        ipc = self._ipc(module)
        joined = ipc if ipc not in ("private", "shareable") else None
        self._has_terminal(module)
        self._has_custody(module)
        self._has_control(module)
        self._has_devices(module)
        self._has_network(module)
        words = self._words(module)

        def values(text: str) -> str:
            return fill(text, words, found.file)

        return p.Container(
            name=name,
            short=module.short,
            module=found.id,
            role=contract.role,
            screen=module.screen,
            image=self.catalog.reference(found.id, self.desktop.locale),
            hostname=self.desktop.name,
            command=tuple(values(word) for word in contract.command),
            env=self._env(module) | {k: values(v) for k, v in contract.env.items()},
            mounts=self._mounts(module, shares),
            networks=self._network(contract.network),
            publish=self._publish(module),
            ipc=ipc,
            shm=contract.shm,
            memory=min(contract.limits.memory, self.desktop.limits.memory or contract.limits.memory),
            cpus=min(contract.limits.cpus, self.desktop.limits.cpus or contract.limits.cpus),
            pids=min(contract.limits.pids, self.desktop.limits.pids or contract.limits.pids),
            capabilities=tuple(contract.capabilities),
            devices=tuple(contract.devices),
            control=contract.control,
            seccomp=str(Path(found.folder, contract.seccomp).resolve()) if contract.seccomp else None,
            host_files=any(share.host for share in self.desktop.shares.values()),
            ready=self._ready(module, values),
            needs=(joined,) if joined else (),
            after=tuple(
                sorted({container_name(self.desktop.name, m.provider.short) for m in self._meetings(module) if m.content})
            ),
            labels=self._labels(
                **{
                    p.MODULE: found.id,
                    p.ROLE: contract.role,
                    p.NEEDS: joined or "",
                    p.SCREEN: module.screen,
                    p.SESSION: module.session,
                }
                | self._described(module, values)
            ),
        )

    def _has_terminal(self, module: Placed) -> None:
        if module.found.contract.terminal and self.host.machine is None:
            raise ResolveError(
                f"{module.found.id} needs a virtual terminal of its own, and no engine gives one",
                hint="it is for a machine of containers (`modulux machine run`); displays such as xvfb need none",
            )

    def _has_custody(self, module: Placed) -> None:
        if module.found.contract.custody and self.host.machine is None:
            raise ResolveError(
                f"{module.found.id} keeps the data of a whole machine, and here is none",
                hint="it is for a machine of containers; here `modulux backup` and `modulux export` do that",
            )

    def _has_control(self, module: Placed) -> None:
        if module.found.contract.control and self.host.machine is None:
            raise ResolveError(
                f"{module.found.id} commands a whole machine, and here is none",
                hint="it is for a machine of containers: `services:` of its file",
            )

    def _has_devices(self, module: Placed) -> None:
        """Refuse it here, where the reason can be said, rather than when an engine cannot start it."""
        for device in module.found.contract.devices:
            if device not in self.host.devices:
                raise ResolveError(
                    f"{module.found.id} needs {device}, which is not there",
                    hint="it is for a machine with that hardware; displays such as xvfb draw into memory and need none",
                )

    def _has_network(self, module: Placed) -> None:
        if module.found.contract.network == "machine" and self.host.machine is None:
            raise ResolveError(
                f"{module.found.id} would change the network of this computer itself",
                hint="it is for a machine of containers (`modulux machine build`); here an engine gives modules their network",
            )

    def _described(self, module: Placed, values: Callable[[str], str]) -> dict[str, str]:
        """Labels by which a running module can be used without its files: its sockets and actions."""
        contract = module.found.contract
        sockets = {m.name: m.socket for m in self._meetings(module) if m.own and m.socket}
        actions = {n: [values(word) for word in command] for n, command in contract.actions.items()}
        return {
            p.SOCKETS: json.dumps(sockets),
            p.ACTIONS: json.dumps(actions),
        }

    def _words(self, module: Placed) -> dict[str, str]:
        screen = self.desktop.screen
        return {
            "screen": str(screen),
            "screen.width": str(screen.width),
            "screen.height": str(screen.height),
            "desktop": self.desktop.name,
            "hostname": self.host.machine or self.desktop.name,
            "module": module.short,
            "session": module.session,
            "edge": module.edge,
            "locale": self.desktop.locale,
            "timezone": self.timezone,
            "keyboard": self.desktop.keyboard,
            **({"terminal": TERMINAL} if module.found.contract.terminal else {}),
            **{f"param.{k}": str(v).lower() if isinstance(v, bool) else str(v) for k, v in module.params.items()},
        }

    def _env(self, module: Placed) -> dict[str, str]:
        contract = module.found.contract
        meetings = self._meetings(module)
        awaited = [m for m in meetings if not m.own and not m.interface.shared and m.name not in contract.later]
        waits = [m.socket for m in awaited if m.socket]
        asks = [m.interface.asked for m in meetings if not m.own and m.interface.asked]
        env = {
            "LANG": self.desktop.locale,
            "TZ": self.timezone,
            "MODULUX_DESKTOP": self.desktop.name,
            "MODULUX_MODULE": module.found.id,
            "MODULUX_NAME": module.short,
            "MODULUX_SESSION": module.session,
            "MODULUX_EDGE": module.edge,
            "MODULUX_KEYBOARD": self.desktop.keyboard,
            "MODULUX_SCREEN": str(self.desktop.screen),
            "MODULUX_WAIT": " ".join(waits),
            "MODULUX_RESTART": contract.restart,
        }
        if asks:
            env["MODULUX_ASK"] = " ".join(asks)
        if contract.keeps:
            env["MODULUX_KEEPS"] = " ".join(contract.keeps)
        if contract.largest_screen:
            env["MODULUX_LARGEST"] = str(contract.largest_screen)
        if contract.role is Role.DISPLAY and module.screen in self.fixed:
            env["MODULUX_FIXED"] = self.fixed[module.screen]
        if contract.entries and not module.wanted.alone:
            env["MODULUX_ENTRIES"] = " ".join(contract.entries)
        if not module.wanted.use.autostart:
            env["MODULUX_AUTOSTART"] = "no"
        for meeting in meetings:
            env |= meeting.env
        return env

    def _publish(self, module: Placed) -> tuple[p.Publish, ...]:
        gateway = self.desktop.gateway or Gateway(module="web")
        ports = [(m.name, m.interface.port) for m in self._meetings(module) if m.own and m.interface.port]
        return tuple(p.Publish(n, gateway.address, gateway.host_port(n), port) for n, port in ports)

    def _ready(self, module: Placed, values: Callable[[str], str]) -> p.Readiness:
        ready = module.found.contract.ready
        sockets = [f"socket={m.socket}" for m in self._meetings(module) if m.own and m.socket]
        if not module.wanted.use.autostart:
            return p.Readiness(tuple(sockets), ready.timeout, ())
        conditions = sockets + [f"bus-name={n}" for n in ready.bus_names] + [f"window={values(w)}" for w in ready.windows]
        if ready.command:
            conditions.append(f"command={shlex.join(values(word) for word in ready.command)}")
        drawn = tuple(p.DrawnArea(d.area, d.colours, d.behind) for d in ready.drawn if d.edge in (None, module.edge))
        return p.Readiness(tuple(conditions), ready.timeout, drawn, tuple(ready.looks))

    def _labelled(self, container: p.Container) -> p.Container:
        """With the hash of all that makes it what it is."""
        content = {k: v for k, v in dataclasses.asdict(container).items() if k != "labels"}
        return dataclasses.replace(container, labels={**container.labels, p.HASH: p.fingerprint([content, container.labels])})


def _with_joined_shm(containers: list[p.Container]) -> list[p.Container]:
    """Who joins an IPC namespace shares its /dev/shm, so the owner's must hold what all of them need."""
    needed: dict[str, int] = {}
    for c in containers:
        owner = c.name if c.ipc in ("shareable", "private") else c.ipc
        needed[owner] = max(needed.get(owner, 0), c.shm)
    return [dataclasses.replace(c, shm=needed.get(c.name, c.shm)) for c in containers]
