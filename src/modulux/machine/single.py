"""One container of a machine as it would be built today: its image alone is built, and made into what is sent."""

from __future__ import annotations

from collections.abc import Sequence

from modulux.images.build import build as build_images
from modulux.machine import layers, update
from modulux.machine.bootplan import boot_lines
from modulux.machine.build import Parts
from modulux.machine.bundle import volumes
from modulux.machine.sealed import seal
from modulux.machine.starts import starts
from modulux.machine.tools import MODULE, Tools
from modulux.machine.update import There, Update
from modulux.model.plan import Container, Image, Plan


def made(name: str, plan: Plan, there: There, parts: Parts, *, init: str, accelerator: str) -> Update | None:
    """The update of a container; nothing where the machine has it as it would be made today.

    Args:
        plan: what the machine would run, as `plan_machine` gives it.
        init: that of the machine, which says by what its containers are started.
        accelerator: `kvm`, or what emulates the machine's processor.

    Raises:
        ResolveError: it differs in what only `machine upgrade` can change.
    """
    container = next(c for c in plan.containers if c.name == name)
    images = [*images_for(container, plan.images), *parts.catalog.images([MODULE])]
    build_images(list({i.reference: i for i in images}.values()), parts.catalog, parts.engine, parts.sources, parts.report)
    tools = Tools(parts.engine, parts.catalog.reference(MODULE))
    facts = layers.image_facts(parts.engine, [container.image])
    kept = frozenset(v.name for v in plan.volumes if v.kept)
    start = starts(init, plan, [container], facts, tools)[name]
    ids = list(reversed(facts[container.image].layers))
    lines = lines_of(name, plan, container.image, ids)
    update.refuse_more(there, name, lines, volumes(container, kept))
    if update.same(there, name, lines, start.config):
        return None
    files = layers.keep(facts, tools, parts.report)[container.image]
    sealed = seal([path for path in files if path.stem not in there.layers], tools)
    if update.kept_already(there, name, container.image, start.config, sealed):
        return None
    within = update.patience(container.ready.timeout, accelerator)
    own = [["module", container.module, container.image], ["within", f"{within:.0f}"]]
    text = update.record(name, there.version, [*own, *lines], start, sealed)
    return Update(name, text, start.files, sealed, update.again(there, name), within)


def images_for(container: Container, images: Sequence[Image]) -> list[Image]:
    """The container's image, and those that it is built on."""
    by_reference = {image.reference: image for image in images}
    found, wanted = [], container.image
    while wanted in by_reference:
        found.append(by_reference[wanted])
        wanted = by_reference[wanted].base or ""
    return found


def lines_of(name: str, plan: Plan, image: str, ids: Sequence[str]) -> list[list[str]]:
    """What the boot plan says of one container, whose image has these layers, the topmost first."""
    unknown = ["-"]
    lines = boot_lines(plan, {c.image: ids if c.image == image else unknown for c in plan.containers})
    return [line.split("\t") for line in lines if line.split("\t")[1] == name]
