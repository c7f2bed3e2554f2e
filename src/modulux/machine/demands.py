"""What a machine's parts ask of its kernel (`demands.yaml`), held against one. Pure but for reading that table."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, RootModel
from ruamel.yaml import YAML

from modulux.errors import ResolveError
from modulux.model.base import Model
from modulux.model.module import Module

MACHINE = "the machine itself"

CONFIG = re.compile(r"^CONFIG_([A-Z0-9_a-z]+)=([ym])$", re.MULTILINE)


class For(Model):
    """Which modules a demand is made for; one of the two."""

    device: str | None = Field(default=None, pattern="^/dev/")
    network: list[Literal["desktop", "internet", "machine"]] = Field(default_factory=list)


class AtBoot(Model):
    """A file that is there, and a word in it, when the kernel that runs fulfils the demand."""

    file: str = Field(pattern="^/")
    word: str | None = None


class Demand(Model):
    """Something that a kernel must have."""

    whose: For | None = Field(default=None, alias="for")
    needs: str
    config: list[str] = Field(default_factory=list)
    drivers: dict[str, list[str]] = Field(default_factory=dict)
    at_boot: AtBoot | None = None


class Demands(RootModel[list[Demand]]):
    """All of them."""


@dataclass(frozen=True)
class Needing:
    """What of a module counts: its id, and what it declares."""

    module: str
    devices: tuple[str, ...] = ()
    network: str = "none"


@dataclass(frozen=True)
class Missing:
    """A demand that a kernel does not meet: in words, what exactly it lacks, and whose demand it is."""

    needs: str
    lacks: tuple[str, ...]
    modules: tuple[str, ...]
    devices: tuple[str, ...] = ()


def shipped(file: Path | None = None) -> list[Demand]:
    """The table."""
    text = (file or Path(__file__).with_name("demands.yaml")).read_text(encoding="utf-8")
    return Demands.model_validate(YAML(typ="safe", pure=True).load(text)).root


def options(config: str) -> frozenset[str]:
    """Those that a kernel's configuration has built in or as modules."""
    return frozenset(match[1] for match in CONFIG.finditer(config))


def whose(demand: Demand, modules: Sequence[Needing]) -> tuple[str, ...]:
    """Ids of the modules that make the demand; the machine's own name for what every machine needs; nothing if nobody does."""
    if demand.whose is None:
        return (MACHINE,)
    device, networks = demand.whose.device, demand.whose.network
    found = [m.module for m in modules if device in m.devices or m.network in networks]
    return tuple(dict.fromkeys(found))


def missing(
    demands: Sequence[Demand], modules: Sequence[Needing], config: str, names: Collection[str], profile: str
) -> list[Missing]:
    """What the kernel with this configuration, and these modules and built-in drivers, lacks for these modules."""
    there = options(config)
    plain = {name.replace("-", "_") for name in names}
    found = []
    for demand in demands:
        askers = whose(demand, modules)
        lacks = [f"CONFIG_{name}" for name in demand.config if name not in there]
        drivers = demand.drivers.get(profile, [])
        if drivers and not any(name.replace("-", "_") in plain for name in drivers):
            lacks.append(f"a driver ({', '.join(drivers)})")
        if askers and lacks:
            device = demand.whose.device if demand.whose else None
            found.append(Missing(demand.needs, tuple(lacks), askers, (device,) if device else ()))
    return found


def without_firmware(
    demands: Sequence[Demand], modules: Sequence[Needing], profile: str, bare: Mapping[str, Sequence[str]]
) -> list[str]:
    """In words, for each demand of these modules, the drivers of the profile's that it rests on and whose firmware is nowhere.

    Args:
        bare: by driver, the firmware that it names, none of which is there.
    """
    lines = []
    for demand in demands:
        found = [name for name in demand.drivers.get(profile, []) if name in bare]
        askers = whose(demand, modules)
        if askers and found:
            each = ", ".join(f"{name} ({bare[name][0]}{_more(len(bare[name]) - 1)})" for name in found)
            lines.append(f"{demand.needs} for {', '.join(askers)}: no firmware for {each}, whose devices may not work")
    return lines


def _more(others: int) -> str:
    return f" and {others} more" if others else ""


def refuse(kernel: str, found: Sequence[Missing]) -> None:
    """Say what `kernel` lacks and for whom, unless that is nothing.

    Raises:
        ResolveError: it lacks something.
    """
    if not found:
        return
    lines = [f"{m.needs} for {', '.join(m.modules)}: {', '.join(m.lacks)}" for m in found]
    hint = "choose `kernel: debian`"
    if any("/dev/dri" in m.devices for m in found):
        hint += ", or `display: own` for desktops that are seen through a browser alone"
    raise ResolveError(f"the kernel `{kernel}` lacks {'; '.join(lines)}", hint=hint)


def boot_lines(demands: Sequence[Demand], modules: Sequence[Needing]) -> list[str]:
    """Lines of the boot plan that have PID 1 look again: `needs FILE WORD TEXT MODULES`, `-` where only the file counts."""
    lines = []
    for demand in demands:
        askers = whose(demand, modules)
        if askers and demand.at_boot:
            fields = ("needs", demand.at_boot.file, demand.at_boot.word or "-", demand.needs, ", ".join(askers))
            lines.append("\t".join(fields))
    return lines


def needing(contracts: Mapping[str, Module]) -> list[Needing]:
    """From modules' contracts, by id."""
    return [Needing(id, _devices(contract), contract.network) for id, contract in contracts.items()]


def _devices(contract: Module) -> tuple[str, ...]:
    return (*contract.devices, *(["/dev/tty0"] if contract.terminal else []))
