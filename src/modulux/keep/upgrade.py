"""A desktop rebuilt from the archive of today; if it is not drawn then, it is what it was before."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from modulux.desktop import switch
from modulux.desktop.down import down
from modulux.desktop.state import look
from modulux.desktop.up import up
from modulux.engine.commandline import CommandLineEngine
from modulux.engine.protocol import Engine
from modulux.errors import EngineError, ModuluxError, NotFoundError, NotReadyError
from modulux.keep.backup import Task, backup
from modulux.keep.inventory import packages
from modulux.keep.restore import Target, replace, restore_volumes
from modulux.keep.shop import Source, Workshop
from modulux.model.plan import Image, Plan
from modulux.paths import lock
from modulux.report import Note, step

NEW = ".new"
"""Ends the reference of what is built, until it takes the place of what is there."""

Builder = Callable[[Engine, Sequence[Image]], object]
"""Builds images with an engine."""


@dataclass(frozen=True)
class Upgraded:
    """The snapshot of before, and each package that has another version: module → package → (before, now)."""

    snapshot: str
    packages: dict[str, dict[str, tuple[str | None, str | None]]]


def upgrade(shop: Workshop, engine: CommandLineEngine, task: Task, plan: Plan, build: Builder) -> Upgraded:
    """As `_upgrade`; desktops share images, and what one has built is not to be another's meanwhile."""
    with lock(f"upgrade.{engine.name}", lambda: shop.report(Note("another upgrade is under way; waiting"))):
        return _upgrade(shop, engine, task, plan, build)


def _upgrade(shop: Workshop, engine: CommandLineEngine, task: Task, plan: Plan, build: Builder) -> Upgraded:
    """Rebuild, keep, start, look.

    Args:
        task: keeps the desktop; it is taken down for that.
        build: builds what is missing of some images.

    Raises:
        BuildError: nothing was changed.
        NotReadyError: it was not drawn; it is as it was before.
    """
    report = shop.report
    _untag(engine, plan)
    try:
        build(_without_cache(engine), [_new(image) for image in plan.images])
    except BaseException:
        _untag(engine, plan)
        raise
    references = list(dict.fromkeys(image.reference for image in plan.images))
    before = engine.image_ids(references)
    after = engine.image_ids([r + NEW for r in references])
    ran = {m.id: m.state.image for m in look(engine, task.name).modules.values()}
    changes = _changes(engine, plan, before, {r.removesuffix(NEW): id for r, id in after.items()})

    def stop() -> None:
        with contextlib.suppress(NotFoundError):
            down(engine, task.name, report)

    kept = backup(dataclasses.replace(task, stopped=stop), report)
    for reference, id in before.items():
        engine.tag(id, kept_reference(reference, kept.snapshot))
    for reference in references:
        engine.tag(after[reference + NEW], reference)
    _untag(engine, plan)
    try:
        with step(report, "new", "starting what is new"):
            up(engine, plan, report, lambda: shop.build(plan))
    except BaseException as error:
        _back(shop, _as_it_ran(plan, ran), before, kept.snapshot)
        if isinstance(error, NotReadyError | EngineError):
            raise NotReadyError(
                f"with the packages of today `{task.name}` does not come up: {error.message}",
                hint=f"it is as it was before, which is also kept as {kept.snapshot[:8]}\n{error.hint or ''}".rstrip(),
            ) from None
        raise
    return Upgraded(kept.snapshot, changes)


def kept_reference(reference: str, snapshot: str) -> str:
    """The reference under which an image stays that a newer one has taken the place of."""
    return f"{reference}.{snapshot[:8]}"


def drop_kept(engine: CommandLineEngine, snapshots: Sequence[str]) -> None:
    """Let the images go that stayed because of these snapshots."""
    endings = tuple(f".{snapshot[:8]}" for snapshot in snapshots)
    if endings:
        gone = sorted(r for r in engine.ours("localhost/modulux/*") if r.endswith(endings))
        with contextlib.suppress(EngineError):  # one that is in use stays
            engine.remove("image", gone)


def _new(image: Image) -> Image:
    base = image.base + NEW if image.base else None
    return dataclasses.replace(image, reference=image.reference + NEW, base=base)


def _without_cache(engine: CommandLineEngine) -> CommandLineEngine:
    """The engine, told to run every step of a build again: what it installed last month is not what is there today."""
    fresh = copy.copy(engine)
    fresh.build_options = (*engine.build_options, "--no-cache")
    return fresh


def _untag(engine: Engine, plan: Plan) -> None:
    news = list(dict.fromkeys(image.reference + NEW for image in plan.images))
    engine.remove("image", sorted(engine.image_ids(news)))


def _changes(
    engine: Engine, plan: Plan, before: dict[str, str], after: dict[str, str]
) -> dict[str, dict[str, tuple[str | None, str | None]]]:
    """What differs, of the modules that run."""
    result = {}
    for module, reference in sorted({(c.module, c.image) for c in plan.containers}):
        if reference in before:
            old, new = (packages(engine, ids[reference]) for ids in (before, after))
            result[module] = {p: (old.get(p), new.get(p)) for p in sorted(old | new) if old.get(p) != new.get(p)}
    return result


def _as_it_ran(plan: Plan, ran: dict[str, str]) -> Plan:
    """The plan with the images that ran: a module whose recipe has changed since had its image under another reference."""
    containers = tuple(dataclasses.replace(c, image=ran.get(c.module, c.image)) for c in plan.containers)
    return dataclasses.replace(plan, containers=containers)


def _back(shop: Workshop, plan: Plan, before: dict[str, str], snapshot: str) -> None:
    """Images, files and containers of before."""
    engine, report, name = shop.engine, shop.report, plan.desktop
    report(Note("it is not drawn; going back to what it was"))
    for reference, id in before.items():
        engine.tag(id, reference)
    with contextlib.suppress(NotFoundError):
        down(engine, name, report)
    source = Source(shop.repository, shop.repository.find(snapshot))
    target = Target(name, look(engine, name))
    restore_volumes(shop, source, target)
    replace(shop, target, source.parts, source.manifest.model())
    switch.discard(engine, name)
    try:
        up(engine, plan, report, lambda: shop.build(plan))
    except ModuluxError as error:
        report(Note(f"what was before does not come up either: {error}; its files are as they were"))
