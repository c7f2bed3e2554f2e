"""`modulux upgrade`: a desktop rebuilt from the archive of today."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from modulux.cli.backup import opened
from modulux.cli.common import Common, DesktopName, Yes, confirm, counted
from modulux.cli.host import prepare_host
from modulux.cli.known import known_file
from modulux.cli.shop import recipes, workshop
from modulux.cli.store import Store
from modulux.cli.ways import me
from modulux.images.build import build
from modulux.keep.backup import Task
from modulux.keep.inventory import take_stock
from modulux.keep.upgrade import Upgraded
from modulux.keep.upgrade import upgrade as renew


def upgrade(
    name: DesktopName,
    *,
    file: Annotated[Path | None, Parameter(help="its desktop file, where nothing is on record")] = None,
    yes: Yes = False,
    store: Store | None = None,
    common: Common | None = None,
) -> None:
    """Rebuild a desktop's images from the archive of today, and start it from them. Asks first: applications are closed.

    What it was is kept as a snapshot. If it is not drawn with the new images, it gets back its images and its files by itself.

    Parameters
    ----------
    name
        the desktop's name
    """
    common, store = common or Common(), store or Store()
    prepare_host(common, yes)
    repository = opened(store, common, yes)
    known = known_file(name, file)
    shop = workshop(common, repository)
    plan = shop.plan(take_stock(common.driver, name, known).file)
    confirm(f"`{name}` is stopped once its new images are built, and started from them. Go on?", yes)
    task = Task(
        engine=common.driver,
        repository=repository,
        name=name,
        plan=shop.plan,
        file=known,
        tags=("before-upgrade",),
        recipes=lambda desktop, folder: recipes(common, desktop, folder),
    )
    done = renew(
        shop,
        common.driver,
        task,
        plan,
        lambda engine, images: build(images, common.catalog_for(name), engine, common.sources, common.report),
    )
    data = {"desktop": name, "snapshot": done.snapshot, "packages": done.packages}
    common.result(data, lambda console: _show(console, name, done))


def _show(console: Console, name: str, done: Upgraded) -> None:
    changed = {package: versions for packages in done.packages.values() for package, versions in packages.items()}
    console.print(f"{name} runs from images of today: {counted(len(changed), 'package')} changed.", markup=False)
    for package, (before, now) in sorted(changed.items()):
        console.print(f"  {package}  {before or '-'} → {now or '-'}", markup=False)
    console.print(f"  back to what it was   {me()} rollback {name} {done.snapshot[:8]}", markup=False)
