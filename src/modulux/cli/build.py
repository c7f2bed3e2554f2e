"""`modulux build`: images, without starting anything."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from modulux.cli.common import Common, Yes, find_desktop, host_facts, read_desktop
from modulux.cli.host import prepare_host
from modulux.images.build import build as build_images
from modulux.resolve.plan import resolve


def build(
    *modules: str,
    desktop: Annotated[str | None, Parameter(help="all that this desktop needs (the default: xfce)")] = None,
    all_of_them: Annotated[bool, Parameter(name="--all", help="every module there is")] = False,
    yes: Yes = False,
    common: Common | None = None,
) -> None:
    """Build module images from the Debian archive, those that are not there yet.

    Parameters
    ----------
    modules
        `role/name` of each
    """
    common = common or Common()
    catalog = common.catalog
    ids = list(catalog.ids) if all_of_them else list(modules)
    images = catalog.images(ids)
    if desktop or not ids:
        path = find_desktop(desktop or "xfce")
        desktop_file = read_desktop(path)
        catalog = common.catalog_for(desktop_file.name)
        images += [i for i in resolve(desktop_file, catalog, host_facts(), str(path)).images if i not in images]
    prepare_host(common, yes)
    built = build_images(images, catalog, common.driver, common.sources, common.report)
    rows = [{"module": i.module, "image": i.reference, "built": i in built} for i in images]
    text = f"{len(built)} built, {len(images) - len(built)} were there."
    common.result(rows, lambda console: console.print(text))
