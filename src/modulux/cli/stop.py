"""`modulux stop`: an app less, on a running desktop."""

from __future__ import annotations

from modulux.cli.common import Common, DesktopName, host_facts
from modulux.desktop.edit import file_of, without_app
from modulux.desktop.leave import app_module, leave
from modulux.desktop.up import up as bring_up
from modulux.resolve.plan import resolve


def stop(name: DesktopName, app: str, *, common: Common | None = None) -> None:
    """Take an app away from a running desktop. What it has saved stays; `up` brings an app of the file back.

    Parameters
    ----------
    name
        the desktop's name
    app
        the app's name on the desktop, as `modulux ps` shows it
    """
    common = common or Common()
    module = app_module(common.driver, name, app.removeprefix("app/"))
    if module.added:
        leave(common.driver, name, module, common.report)
    else:
        found, _ = file_of(common.driver, name)
        plan = resolve(without_app(found, module), common.catalog_for(name), host_facts())
        bring_up(common.driver, plan, common.report, lambda: None)
    data = {"desktop": name, "module": module.id, "container": module.name}
    common.result(data, lambda console: console.print(f"[bold]{module.short}[/] is gone from {name}."))
