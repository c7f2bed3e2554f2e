"""What starts each container of a machine: a configuration for its OCI runtime or, under systemd, a unit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modulux.carry.quadlet import stem
from modulux.engine.protocol import ImageFacts
from modulux.machine.bundle import runtime_config
from modulux.machine.seccomp import compiled, rules
from modulux.machine.tools import Tools
from modulux.machine.units import filter_of, unit, wanted_by
from modulux.model.plan import Container, Plan

SECCOMP = "/usr/share/containers/seccomp.json"
"""In the image of the tools: the engines' own filter, for modules that bring none."""


@dataclass(frozen=True)
class Start:
    """The text of a configuration or a unit; `filter` is the one that a unit names and does not hold, for seccomp."""

    config: bytes
    filter: bytes | None = None

    @property
    def files(self) -> tuple[bytes, ...]:
        return (self.config,) if self.filter is None else (self.config, self.filter)

    def rows(self) -> list[tuple[str, str]]:
        """Each by a word and its SHA-256, as PID 1 reads them."""
        return [(word, hashlib.sha256(data).hexdigest()) for word, data in zip(("config", "filter"), self.files, strict=False)]


def starts(
    init: str, plan: Plan, containers: Sequence[Container], facts: Mapping[str, ImageFacts], tools: Tools
) -> dict[str, Start]:
    """Those of these containers of a plan, by their names, on a machine with this init."""
    kept = frozenset(v.name for v in plan.volumes if v.kept)
    if init == "systemd":
        targets = wanted_by(plan.containers)
        texts = {c.name: unit(c, facts[c.image], kept, wanted_by=targets[c.name]) for c in containers}
        return {c.name: Start(texts[c.name].encode(), filter_of(c)) for c in containers}
    default = json.loads(tools.engine.do(tools.engine.once_argv(tools.image, ["cat", SECCOMP])))
    filters = [rules(_filter(c, default), c.capabilities) for c in containers]
    together = zip(containers, filters, compiled(filters, tools), strict=True)
    configs = {c.name: runtime_config(c, facts[c.image], held, kept, program) for c, held, program in together}
    return {name: Start(json.dumps(config, sort_keys=True).encode()) for name, config in configs.items()}


def write_starts(init: str, plan: Plan, facts: Mapping[str, ImageFacts], tools: Tools, folder: Path) -> None:
    """Those of all containers of a plan, in the folder in which PID 1 looks for them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, start in starts(init, plan, plan.containers, facts, tools).items():
        (folder / (f"{stem(name)}.container" if init == "systemd" else f"{name}.json")).write_bytes(start.config)
        if start.filter is not None:
            (folder / f"{name}.seccomp.json").write_bytes(start.filter)


def _filter(c: Container, default: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(Path(c.seccomp).read_text())) if c.seccomp else default
