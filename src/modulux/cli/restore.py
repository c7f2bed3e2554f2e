"""`modulux restore`: bring a desktop back, whole or some of its files."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from modulux.cli.common import Common, DesktopName, Yes, confirm, host_facts
from modulux.cli.host import prepare_host
from modulux.cli.store import Store
from modulux.cli.ways import me
from modulux.desktop import switch
from modulux.desktop.up import up as bring_up
from modulux.images.build import build
from modulux.keep.restore import manifest_of, question, renamed, replace, restore_volumes, target_of
from modulux.resolve.plan import resolve


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
    stored = repository.find(snapshot)
    manifest = manifest_of(repository, stored)
    target = target_of(engine, manifest, as_)
    desktop = renamed(manifest.model(), target.name)
    if asked := question(target, manifest):
        confirm(asked, yes)
    plan = resolve(desktop, common.catalog, host_facts())
    if not no_start:
        prepare_host(common, yes)
    restore_volumes(engine, repository, stored, manifest, target, common.report)
    replace(engine, target, [v.name for v in manifest.volumes], common.report)
    switch.discard(engine, target.name)
    if not no_start:
        bring_up(engine, plan, common.report, lambda: build(plan.images, common.catalog, engine, common.sources, common.report))
    data = {"desktop": target.name, "snapshot": stored.id, "taken": manifest.taken, "started": not no_start}
    common.result(
        data,
        lambda console: console.print(f"{target.name} is back as it was. To see it: {me()} open {target.name}", markup=False),
    )
