"""`modulux rollback`: a desktop, or one module's image, back to what it was."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from modulux.cli.common import Common, DesktopName, Yes, confirm
from modulux.cli.host import prepare_host
from modulux.cli.shop import workshop
from modulux.cli.store import Store
from modulux.errors import UsageError
from modulux.keep.restore import question, target_of
from modulux.keep.rollback import rollback as back
from modulux.keep.rollback import rollback_module
from modulux.keep.shop import Source


def rollback(
    name: DesktopName,
    snapshot: str | None = None,
    *,
    module: Annotated[str | None, Parameter(help="only this module's image, such as `terminal`; files stay")] = None,
    yes: Yes = False,
    store: Store | None = None,
    common: Common | None = None,
) -> None:
    """Take a desktop back to a snapshot: files, composition and images. If it does not come up so, it stays as it is.

    Parameters
    ----------
    name
        the desktop's name
    snapshot
        one of its snapshots; its latest without
    """
    common, store = common or Common(), store or Store()
    repository = store.repository(common, yes=yes)
    stored = repository.find(snapshot or name)
    shop, source = workshop(common, repository), Source(repository, stored)
    if source.manifest.desktop != name:
        raise UsageError(
            f"{stored.short} is a snapshot of `{source.manifest.desktop}`",
            hint=f"modulux restore {stored.short} --as ANOTHER-NAME",
        )
    prepare_host(common, yes)
    if module:
        id = rollback_module(shop, source, name, module)
        data: dict[str, object] = {"desktop": name, "snapshot": stored.id, "module": id, "missing": []}
        said = f"{id} runs from the image of {stored.short} again."
    else:
        target = target_of(common.driver, source.manifest, None)
        if asked := question(target, source.manifest):
            confirm(asked, yes)
        missing = back(shop, source, target)
        data = {"desktop": name, "snapshot": stored.id, "module": None, "missing": missing}
        said = f"{name} is what it was in {stored.short}."
    common.result(data, lambda console: console.print(said, markup=False))
