"""An app more on a running desktop."""

from __future__ import annotations

from dataclasses import replace

from modulux.desktop.edit import file_of
from modulux.desktop.ready import wait_ready
from modulux.desktop.state import Module, existing
from modulux.desktop.up import explained
from modulux.engine.protocol import Engine
from modulux.errors import FileError
from modulux.model.desktop import Use
from modulux.model.module import Role
from modulux.model.plan import ADDED, Container, Plan
from modulux.parallel import each
from modulux.paths import lock
from modulux.report import Report, step
from modulux.resolve.catalog import Catalog
from modulux.resolve.plan import HostFacts, resolve


def plan_with(
    engine: Engine, name: str, app: str, catalog: Catalog, host: HostFacts, *, session: str | None = None
) -> tuple[Plan, Container]:
    """The plan of the running desktop with `app` on it, and the app's container.

    Args:
        session: in whose home and on whose bus it runs; the first without.

    Raises:
        NotFoundError: no such desktop runs.
        ResolveError: no such app, or it needs what the desktop does not have.
    """
    _, desktop = file_of(engine, name)
    session = session or desktop.sessions[0].module
    if not any(use.module == app and (use.session or desktop.sessions[0].module) == session for use in desktop.apps):
        try:
            desktop = desktop.model_copy(update={"apps": [*desktop.apps, Use(module=app, session=session)]})
        except ValueError:
            raise FileError(f"`{app}` is no module's name", hint="modulux modules app") from None
    plan = resolve(desktop, catalog, host)
    apps = [c for c in plan.containers if c.module == f"{Role.APP}/{app}"]
    container = next(c for c in apps if c.env["MODULUX_SESSION"] in {session, app})  # an untrusted one has its own
    return plan, container


def add(engine: Engine, plan: Plan, container: Container, report: Report) -> bool:
    """Start the app and wait until it is there; False if it ran already.

    Raises:
        NotReadyError: it died or did not get ready; it is removed again.
    """
    with lock(f"{engine.name}.{plan.desktop}"):
        found = existing(engine, plan.desktop)
        there: Module | None = found.modules.get(container.name)
        if there is not None and there.state.running:
            return False
        if there is not None:
            engine.remove("container", [container.name])
        needed = set(container.networks) - set(found.networks)
        volumes = {m.source for m in container.mounts} - set(found.volumes)
        commands = [engine.network_argv(n) for n in plan.networks if n.name in needed]
        commands += [engine.volume_argv(v) for v in plan.volumes if v.name in volumes]
        each([tuple(c) for c in commands], engine.do)
        with step(report, "start", f"starting {container.short}"):
            try:
                engine.start(replace(container, labels={**container.labels, ADDED: "run"}))
                wait_ready(engine, container)
            except BaseException as error:  # noqa: BLE001  an interrupt too
                told = explained(error, engine)
                engine.remove("container", [container.name])
                raise told from None
        return True
