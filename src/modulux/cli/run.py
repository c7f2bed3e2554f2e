"""`modulux run`: an app more, on a running desktop."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from modulux.cli.common import Common, DesktopName, Yes, host_facts
from modulux.cli.host import must_answer, prepare_host
from modulux.desktop.add import add, plan_with
from modulux.images.build import build


def run_app(
    name: DesktopName,
    app: str,
    *,
    session: Annotated[str | None, Parameter(help="whose home and bus it has, where there are several sessions")] = None,
    yes: Yes = False,
    common: Common | None = None,
) -> None:
    """Start an app on a running desktop. `up` leaves it alone; `down` takes it along.

    Parameters
    ----------
    name
        the desktop's name
    app
        the app module's name, as `modulux modules app` shows it, with or without `app/`
    """
    common = common or Common()
    app = app.removeprefix("app/")
    must_answer(common.driver)
    plan, container = plan_with(common.driver, name, app, common.catalog_for(name), host_facts(), session=session)
    prepare_host(common, yes)
    build(plan.images, common.catalog_for(name), common.driver, common.sources, common.report)
    started = add(common.driver, plan, container, common.report)
    data = {"desktop": name, "module": container.module, "container": container.name, "started": started}
    word = "runs" if started else "was running already"
    common.result(data, lambda console: console.print(f"[bold]{app}[/] {word} on {name}."))
