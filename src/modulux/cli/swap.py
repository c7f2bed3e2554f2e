"""`modulux swap`: change parts of a running desktop; what does not differ goes on."""

from __future__ import annotations

from modulux.cli.common import Common, DesktopName, host_facts
from modulux.cli.host import must_answer
from modulux.desktop.edit import edited, file_of
from modulux.desktop.up import up as bring_up
from modulux.errors import UsageError
from modulux.images.build import build
from modulux.resolve.plan import resolve


def swap(name: DesktopName, *changes: str, common: Common | None = None) -> None:
    """Change parts of a running desktop. What the change does not touch goes on: applications do not notice another viewer.

    `viewer=xpra` exchanges, `viewer+=x11vnc-view` adds, `apps-=firefox` takes away; any key of a desktop file will do. The file
    itself is not written: `modulux up FILE` makes the desktop as it was.

    Parameters
    ----------
    name
        the desktop's name
    changes
        KEY=VALUE, KEY+=VALUE or KEY-=VALUE; a value with parameters is '{module: NAME, PARAMETER: VALUE}'
    """
    common = common or Common()
    if not changes:
        raise UsageError("nothing to change", hint=f"such as: modulux swap {name} viewer=x11vnc")
    must_answer(common.driver)
    found, _ = file_of(common.driver, name)
    plan = resolve(edited(found, changes), common.catalog_for(name), host_facts())

    def images() -> None:
        build(plan.images, common.catalog_for(name), common.driver, common.sources, common.report)

    came = bring_up(common.driver, plan, common.report, images)
    started, removed = (sorted(n.split(".", 2)[2] for n in names) for names in (came.started, came.removed))
    data = {"desktop": name, "started": started, "removed": removed}
    said = [f"{word} {', '.join(names)}" for word, names in (("started", started), ("took away", removed)) if names]
    common.result(data, lambda console: console.print(f"[bold]{name}[/]: {'; '.join(said) or 'nothing had to change'}."))
