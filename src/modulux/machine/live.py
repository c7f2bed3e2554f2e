"""What a machine has beside its own when it is started from a medium: drivers for media, and an installer.

It lies in the start-up archive of the medium's boot program, and PID 1 takes its plan in place of the system's own: so what
is installed is the machine as it was built, without an installer.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from modulux.images.build import build as build_images
from modulux.machine import layers, profiles
from modulux.machine.build import Parts, link, noted, plan_lines
from modulux.machine.compose import needs_of
from modulux.machine.demands import boot_lines as looked_at_boot
from modulux.machine.demands import shipped
from modulux.machine.kernel import Kernel, module_name
from modulux.machine.starts import write_starts
from modulux.machine.tools import MODULE, Tools
from modulux.model.machine import Machine
from modulux.model.plan import Plan

FOLDER = "live"
"""Where PID 1 finds it in the start-up archive (`early.c`)."""


def drivers(machine: Machine, kernel: Kernel) -> list[str]:
    """Names of the drivers with which the machine, installed, finds its disk."""
    return [module_name(path) for path in profiles.start(kernel, profiles.profile(machine.profile))]


def fill(root: Path, machine: Machine, plan: Plan, *, built: Path, kernel: Kernel, parts: Parts) -> None:
    """Write it below `root`.

    Args:
        plan: what the machine in the folder `built` runs, and the installer.
    """
    chosen = profiles.profile(machine.profile)
    profiles.start_archive(kernel, {"order.medium": profiles.medium(kernel, chosen)}, root)
    catalog, engine, record = parts.catalog, parts.engine, noted(built)
    build_images(list(plan.images), catalog, engine, parts.sources, parts.report)
    tools = Tools(engine, catalog.reference(MODULE))
    facts = layers.image_facts(engine, sorted({c.image for c in plan.containers}))
    files = layers.keep(facts, tools, parts.report)
    own = [c for c in plan.containers if c.name in record["containers"]]
    added = tuple(c for c in plan.containers if c not in own)
    there = {path for c in own for path in files[c.image]}
    into = root / FOLDER / "store/layers"
    into.mkdir(parents=True)
    for path in sorted({path for c in added for path in files[c.image]} - there):
        link(path, into / path.name)
    write_starts(machine.init, dataclasses.replace(plan, containers=added), facts, tools, root / FOLDER / "machine/bundles")
    demands = looked_at_boot(shipped(), needs_of(plan, catalog))
    names = {reference: [path.stem for path in paths] for reference, paths in files.items()}
    (root / FOLDER / "machine/boot").write_text(plan_lines(machine, plan, names, demands, record["version"]))
