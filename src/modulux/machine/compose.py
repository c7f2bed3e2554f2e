"""A machine and its desktops → one plan for all that it boots. Pure.

A desktop's file is the same on a machine as in an engine; what differs is told here: its display is the one on the graphics
card, its sound goes to the card, and there are services that a machine has once for all desktops (`per: machine`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from modulux.errors import ResolveError
from modulux.machine.bundle import DEVICES
from modulux.machine.demands import Needing, needing
from modulux.model.desktop import Desktop, Use
from modulux.model.machine import OWN, Machine, MachineDesktop
from modulux.model.module import Module, Role
from modulux.model.plan import Container, Plan, Publish, Volume
from modulux.resolve.catalog import Catalog
from modulux.resolve.plan import TERMINAL, HostFacts, container_name, resolve

INSTALLERS = ("installer", "serial-installer")
"""Services that a machine has beside its own when it is started from a medium, and not when it is installed: at its screen and
keyboard, and on the serial line."""

NETWORK = "network"
"""The service that asks for an address; left out where a machine has `network: none`."""

TIME = "time"
"""The service that sets the clock; left out where a machine has `time: none`, and where it has no network."""

LOG = "log"
"""The service that keeps what is said; left out where a machine has `log: none`, and under systemd, whose journal does it."""

LOGIN = "login"
"""The service that asks for a password; only where a machine has a `login:`."""

MEDIA = "media"
"""The service that has memory sticks mounted; left out where a machine has `sticks: none`."""
SERIAL_LOGIN = "serial-login"
"""The same on the serial line, where it says `serial: true`."""

CONSOLE, TEXT, DRAWN = 2, range(3, 7), range(7, 13)
"""Virtual terminals (Ctrl-Alt-F2 and so on): the login's, which nobody else gets, those of other modules that write on
them, and those of displays; the first is the machine's own."""


def plan_machine(machine: Machine, catalog: Catalog, read: Callable[[str], Desktop]) -> Plan:
    """Everything that the machine runs, in an order in which it can be started.

    Args:
        read: gives the desktop of a name or path.

    Raises:
        ResolveError: parts that do not go together, or a desktop named twice.
    """
    facts = HostFacts(timezone=machine.timezone, devices=frozenset(DEVICES), machine=machine.host)
    plans: list[Plan] = []
    files: list[dict[str, Any]] = []
    for number, entry in enumerate(machine.desktops):
        named = entry.desktop if isinstance(entry.desktop, str) else None
        own = read(entry.desktop) if isinstance(entry.desktop, str) else entry.desktop
        desktop = adapted(own, entry, machine, catalog, number)
        if any(plan.desktop == desktop.name for plan in plans):
            raise ResolveError(f"the machine `{machine.name}` names the desktop `{desktop.name}` twice")
        plans.append(_marked(resolve(desktop, catalog, facts, named), catalog, rests=not entry.autostart))
        files.append(own.model_dump(mode="json", by_alias=True, exclude_unset=True))
    if not any(entry.autostart for entry in machine.desktops):
        raise ResolveError(
            f"the machine `{machine.name}` starts none of its desktops", hint="leave `autostart: false` out of one"
        )
    plan = with_custody(with_terminals(merged(machine, plans, catalog), catalog), catalog)
    return dataclasses.replace(plan, files=tuple(files))


def with_installer(machine: Machine) -> Machine:
    """The same machine, and what installs it. No other container is changed: they are started as the machine's system says."""
    login = machine.login and machine.login.model_copy(update={"serial": False})  # the line is the installer's
    named = {use.module for use in machine.services}
    added = [Use(module=name) for name in INSTALLERS if name not in named]
    return machine.model_copy(update={"services": [*machine.services, *added], "login": login})


def adapted(desktop: Desktop, entry: MachineDesktop, machine: Machine, catalog: Catalog, number: int) -> Desktop:
    """The desktop as this machine runs it, `number` being its place among the machine's desktops."""
    changes: dict[str, Any] = {"services": [*desktop.services, *_services(desktop, machine)]}
    display = entry.display or machine.display
    if display != OWN and desktop.display is not None:
        changes["display"] = _display(display, machine, catalog)
        changes["services"] += _taken(f"display/{display}", changes["services"], catalog)
        if machine.audio != OWN:
            changes["audio"] = Use(module=machine.audio)
    if machine.first_screen is not None:
        changes["screen"] = machine.first_screen
    for key in ("locale", "keyboard"):
        if getattr(machine, key) is not None:
            changes[key] = getattr(machine, key)
    if desktop.gateway is not None:
        own = machine.gateway
        ports = {"port": own.port + number, "vnc_port": own.vnc_port + number}
        changes["gateway"] = desktop.gateway.model_copy(update={"address": own.address, **ports, **own.params})
    return desktop.model_copy(update=changes)


def _display(name: str, machine: Machine, catalog: Catalog) -> Use:
    """The display on the card, told the sizes of further screens if it wants to know them; else they say what they like."""
    told = machine.beside and "beside" in catalog.module(f"display/{name}").contract.params
    beside = {"beside": ",".join(map(str, machine.beside))} if told else {}
    return Use.model_validate({"module": name, **beside})


def _services(desktop: Desktop, machine: Machine) -> list[Use]:
    named = [*machine.services, *([Use(module=NETWORK)] if machine.network != "none" else [])]
    if machine.sticks != "none":
        named.append(Use.model_validate({"module": MEDIA, "mode": machine.sticks}))
    if machine.network != "none" and machine.time != ["none"]:
        named.append(Use.model_validate({"module": TIME, "servers": " ".join(machine.time)}))
    if machine.log and machine.init == "engine":
        sizes = {"megabytes": machine.log.size // 1024**2, "days": machine.log.days}
        named.append(Use.model_validate({"module": LOG, **sizes}))
    if machine.login:
        ways = [LOGIN, *([SERIAL_LOGIN] if machine.login.serial else [])]
        named += [Use.model_validate({"module": way, "password": machine.login.word}) for way in ways]
    return [use for use in named if use.module not in {s.module for s in desktop.services}]


def _taken(id: str, there: Sequence[Use], catalog: Catalog) -> list[Use]:
    """Services of the whole machine that this module asks for, such as the one that knows its devices."""
    names = catalog.services(catalog.module(id).contract)
    wanted = [name for name in names if catalog.module(f"service/{name}").contract.per == "machine"]
    return [Use(module=name) for name in wanted if name not in {use.module for use in there}]


def _marked(plan: Plan, catalog: Catalog, *, rests: bool) -> Plan:
    """The same, each container with its desktop, but for what the machine has once for all of them."""
    own = {c.name for c in plan.containers if catalog.module(c.module).contract.per != "machine"}
    made = tuple(dataclasses.replace(c, desktop=plan.desktop, rests=rests) if c.name in own else c for c in plan.containers)
    return dataclasses.replace(plan, containers=made)


def merged(machine: Machine, plans: Sequence[Plan], catalog: Catalog) -> Plan:
    """One plan of several, in which the modules that are `per: machine` are there once, under the machine's name."""
    images = {i.reference: i for plan in plans for i in plan.images}
    volumes: dict[str, Volume] = {}
    containers: dict[str, Container] = {}
    common: dict[str, str] = {}
    for plan in plans:
        for c in plan.containers:
            if catalog.module(c.module).contract.per == "machine":
                common[c.name] = container_name(machine.name, c.short)
        names = {v.name: _renamed(v.name, common) for v in plan.volumes}
        volumes |= {names[v.name]: dataclasses.replace(v, name=names[v.name]) for v in plan.volumes}
        for c in plan.containers:
            containers.setdefault(common.get(c.name, c.name), _moved(c, machine.host, common, names))
    return Plan(machine.name, tuple(images.values()), tuple(volumes.values()), (), tuple(containers.values()))


def _renamed(volume: str, common: dict[str, str]) -> str:
    owner = next((name for name in common if volume.startswith(f"{name}.")), None)
    return common[owner] + volume.removeprefix(owner) if owner else volume


def _moved(c: Container, host: str, common: dict[str, str], volumes: dict[str, str]) -> Container:
    mounts = tuple(dataclasses.replace(m, source=volumes.get(m.source, m.source)) for m in c.mounts)
    after = tuple(common.get(name, name) for name in c.after)
    listen = {f"MODULUX_PORT_{p.interface.upper()}": str(outside(p)) for p in c.publish}
    if c.publish:  # there is nobody else to publish a port: the module has the machine's own network
        listen["MODULUX_LISTEN"] = c.publish[0].address
    moved = dataclasses.replace(c, mounts=mounts, after=after, env=c.env | listen)
    return dataclasses.replace(moved, name=common[c.name], hostname=host) if c.name in common else moved


def outside(port: Publish) -> int:
    """The port of the machine's own at which a module is found: what a file says, or that of the interface."""
    return port.host_port or port.port


def with_terminals(plan: Plan, catalog: Catalog) -> Plan:
    """Each module that wants a virtual terminal with the next one of its kind, in the order of the plan.

    Raises:
        ResolveError: there are none left.
    """
    free = {"draws": iter(DRAWN), "login": iter([CONSOLE]), "writes": iter(TEXT)}
    made = []
    for c in plan.containers:
        wants = catalog.module(c.module).contract.terminal
        kind = "draws" if c.role == Role.DISPLAY else "login" if c.module == f"service/{LOGIN}" else "writes"
        number = next(free[kind], None) if wants else None
        if wants and number is None:
            hint = "F7 to F12 are for displays, F2 for a login, F3 to F6 for others"
            raise ResolveError(f"no virtual terminal is left for `{c.module}`", hint=hint)
        made.append(_on_terminal(c, str(number)) if wants else c)
    return dataclasses.replace(plan, containers=tuple(made))


def _on_terminal(c: Container, number: str) -> Container:
    command = tuple(word.replace(TERMINAL, number) for word in c.command)
    env = {name: value.replace(TERMINAL, number) for name, value in c.env.items()}
    return dataclasses.replace(c, command=command, env=env, devices=(*c.devices, f"/dev/tty{number}"))


def with_custody(plan: Plan, catalog: Catalog) -> Plan:
    """Who keeps a machine's data with the volumes that hold it: those of the desktops, not those of services of the machine."""

    def contract(c: Container) -> Module:
        return catalog.module(c.module).contract

    own = {f"{c.name}." for c in plan.containers if contract(c).per == "machine"}
    kept = tuple(v.name for v in plan.volumes if v.kept and not any(v.name.startswith(prefix) for prefix in own))
    made = [dataclasses.replace(c, custody=kept) if contract(c).custody else c for c in plan.containers]
    return dataclasses.replace(plan, containers=tuple(made))


def needs_of(plan: Plan, catalog: Catalog) -> list[Needing]:
    """What the modules of a machine declare, for its kernel to have."""
    return needing({c.module: catalog.module(c.module).contract for c in plan.containers})
