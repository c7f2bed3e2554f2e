"""A desktop, or one module's image, back to what it was; if it does not come up so, it is what it is now again."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from modulux.desktop import switch
from modulux.desktop.change import removal_waves
from modulux.desktop.down import down
from modulux.desktop.edit import file_of
from modulux.desktop.noted import note_again
from modulux.desktop.state import look
from modulux.desktop.up import up
from modulux.errors import EngineError, ModuluxError, NotFoundError
from modulux.keep.images import load_images
from modulux.keep.manifest import Locked
from modulux.keep.recipes import bring_recipes
from modulux.keep.restore import Target, replace, restore_volumes
from modulux.keep.shop import Source, Workshop
from modulux.model.plan import Plan
from modulux.paths import lock
from modulux.report import Note


def rollback(shop: Workshop, source: Source, target: Target) -> tuple[str, ...]:
    """The whole desktop; the modules whose image of then could not be had.

    Raises:
        DamagedError, RepositoryError, HostError: nothing was changed.
        NotReadyError: it does not come up as it was then; it is as it was before this.
    """
    engine, report = shop.engine, shop.report
    running = any(m.state.running for m in target.found.modules.values())
    before = file_of(engine, target.name)[1] if running else None
    bring_recipes(source, target.name, shop.catalog(target.name), report)
    plan = shop.plan(source.manifest.model())
    now = engine.image_ids([image.reference for image in source.images])
    restore_volumes(shop, source, target)
    missing = give_back(shop, source.images, source.manifest.images)
    replace(shop, target, source.parts, source.manifest.model())
    try:
        up(engine, plan, report, lambda: shop.build(plan))
    except BaseException:
        report(Note("it does not come up as it was then; going back to what it was before this"))
        for reference, id in now.items():
            engine.tag(id, reference)
        exchange_back(shop, target, source.parts)
        if before is not None:
            again = shop.plan(before)
            up(engine, again, report, lambda: shop.build(again))
        raise
    switch.discard(engine, target.name)
    return missing


def exchange_back(shop: Workshop, target: Target, parts: Sequence[str]) -> None:
    """Take the desktop down, and let what it held before take the place of its volumes; what was not there before goes."""
    with contextlib.suppress(NotFoundError):
        down(shop.engine, target.name, shop.report)
    with lock(f"{shop.engine.name}.{target.name}"):
        switch.switch(shop.engine, target.name, parts)
        switch.discard(shop.engine, target.name)
        note_again(shop.engine, target.found)


def give_back(shop: Workshop, locked: Sequence[Locked], archive: str | None) -> tuple[str, ...]:
    """See to it that each reference means the image of then; the modules whose image of then is gone.

    Args:
        archive: the name under which the images were kept, if they were.
    """
    engine = shop.engine

    def other() -> list[Locked]:
        now = engine.image_ids([image.reference for image in locked])
        return [image for image in locked if now.get(image.reference) != image.id]

    for image in other():
        with contextlib.suppress(EngineError):  # the engine still has it under another name, or under none
            engine.tag(image.id, image.reference)
    if archive and other():
        load_images(shop, archive)
    missing = tuple(image.module for image in other())
    if missing:
        shop.report(Note(f"these images of then are gone, and stay as they are now: {', '.join(missing)}"))
    return missing


def rollback_module(shop: Workshop, source: Source, name: str, module: str) -> str:
    """One module's image, and nothing else: its container is started anew from the image of then; the module's id.

    Raises:
        NotFoundError: no such module, or its image of then is gone.
        NotReadyError: it does not come up with it; its image is what it was before this.
    """
    engine = shop.engine
    found, desktop = file_of(engine, name)
    running = found.module(module)
    locked = [image for image in source.images if image.module == running.id]
    if not locked:
        raise NotFoundError(f"the snapshot has no module `{running.id}`", hint="modulux snapshots")
    plan = shop.plan(desktop)
    wanted = next((c.image for c in plan.containers if c.module == running.id), "")
    if locked[0].reference != wanted:
        raise NotFoundError(
            f"the recipe of {running.id} has changed since then", hint="roll the whole desktop back, or take the recipe of then"
        )
    now = engine.image_ids([wanted])
    if give_back(shop, locked[:1], source.manifest.images):
        raise NotFoundError(
            f"the image that {running.id} had then is gone", hint="`modulux backup --with-images` keeps images as well"
        )
    try:
        _anew(shop, name, running.id, plan)
    except BaseException:
        if wanted in now:
            engine.tag(now[wanted], wanted)
        with contextlib.suppress(ModuluxError):
            _anew(shop, name, running.id, plan)
        raise
    return running.id


def _anew(shop: Workshop, name: str, module: str, plan: Plan) -> None:
    with lock(f"{shop.engine.name}.{name}"):
        modules = look(shop.engine, name).modules
        own = {m.name for m in modules.values() if m.id == module}
        for wave in removal_waves(m for m in modules.values() if m.name in own or m.needs in own):
            shop.engine.remove("container", wave)
    up(shop.engine, plan, shop.report, lambda: shop.build(plan))
