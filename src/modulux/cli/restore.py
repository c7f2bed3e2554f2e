"""`modulux restore`: bring a desktop back, whole or some of its files."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from modulux.cli.common import Common, DesktopName, Yes, confirm
from modulux.cli.host import prepare_host
from modulux.cli.shop import workshop
from modulux.cli.store import Store
from modulux.cli.ways import me
from modulux.desktop import switch
from modulux.desktop.up import up as bring_up
from modulux.keep.images import bring_images
from modulux.keep.paths import restore_paths
from modulux.keep.recipes import bring_recipes
from modulux.keep.restore import question, renamed, replace, restore_volumes, target_of
from modulux.keep.shop import Source
from modulux.paths import lock


def restore(
    snapshot: str,
    *,
    as_: Annotated[DesktopName | None, Parameter(name="--as", help="under another name, beside the first")] = None,
    path: Annotated[list[str] | None, Parameter(help="only this file or folder, such as ~/Documents/letter.odt")] = None,
    no_start: Annotated[bool, Parameter(help="do not start it")] = False,
    yes: Yes = False,
    store: Store | None = None,
    common: Common | None = None,
) -> None:
    """Bring a desktop back from a snapshot, and start it.

    Its files are laid into fresh volumes first; only when all are there and as they were does the desktop get them.

    Parameters
    ----------
    snapshot
        a snapshot as `modulux snapshots` lists it, a desktop's name for its latest, or `latest`
    """
    common, store = common or Common(), store or Store()
    engine = common.driver
    repository = store.repository(common, yes=yes)
    shop, source = workshop(common, repository), Source(repository, repository.find(snapshot))
    manifest = source.manifest
    target = target_of(engine, manifest, as_)
    data: dict[str, object] = {"desktop": target.name, "snapshot": source.stored.id, "taken": manifest.taken}
    if path:
        replaced = restore_paths(shop, source, target, path, lambda asked: confirm(asked, yes))
        data |= {"paths": path, "replaced": replaced}
        common.result(data, lambda console: console.print(f"{', '.join(path)}: as of {manifest.taken[:16]}", markup=False))
        return
    if asked := question(target, manifest):
        confirm(asked, yes)
    file = renamed(manifest.model(), target.name)
    bring_recipes(source, target.name, shop.catalog(target.name), common.report)
    plan = shop.plan(file)
    if not no_start:
        prepare_host(common, yes)
    with lock(f"keep.{engine.name}.{target.name}"):
        restore_volumes(shop, source, target)
        replace(shop, target, source.parts, file)
        switch.discard(engine, target.name)
    if not no_start:
        bring_images(shop, source, [c.image for c in plan.containers])
        bring_up(engine, plan, common.report, lambda: shop.build(plan))
    said = f"{target.name} is back as it was." + ("" if no_start else f" To see it: {me()} open {target.name}")
    data |= {"started": not no_start}
    common.result(data, lambda console: console.print(said, markup=False))
