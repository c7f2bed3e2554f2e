"""An app more on a running desktop."""

from __future__ import annotations

from dataclasses import replace

from modulux.desktop.ready import wait_ready
from modulux.desktop.state import Module, existing
from modulux.desktop.up import explained
from modulux.engine.protocol import Engine
from modulux.errors import FileError, NotFoundError
from modulux.model.desktop import Desktop, Use
from modulux.model.module import Role
from modulux.model.plan import ADDED, Container, Plan
from modulux.parallel import each
from modulux.paths import lock
from modulux.report import Report, step
from modulux.resolve.catalog import Catalog
from modulux.resolve.files import validate
from modulux.resolve.plan import HostFacts, resolve


def plan_with(engine: Engine, name: str, app: str, catalog: Catalog, host: HostFacts) -> tuple[Plan, Container]:
    """The plan of the running desktop with `app` on it, and the app's container.

    Raises:
        NotFoundError: no such desktop runs.
        ResolveError: no such app, or it needs what the desktop does not have.
    """
    found = existing(engine, name)
    original = next((m for m in found.modules.values() if not m.added and m.desktop_file), None)
    if original is None:
        raise NotFoundError(f"`{name}` was not started by this version of Modulux", hint=f"modulux down {name}, then up again")
    desktop = validate(original.desktop_file, Desktop, f"the desktop `{name}`")
    if not any(use.module == app for use in desktop.apps):
        try:
            desktop = desktop.model_copy(update={"apps": [*desktop.apps, Use(module=app)]})
        except ValueError:
            raise FileError(f"`{app}` is no module's name", hint="modulux modules app") from None
    plan = resolve(desktop, catalog, host)
    container = next(c for c in plan.containers if c.role == Role.APP and c.short == app)
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
                engine.do(engine.run_argv(replace(container, labels={**container.labels, ADDED: "run"})))
                wait_ready(engine, container)
            except BaseException as error:  # noqa: BLE001  an interrupt too
                told = explained(error, engine)
                engine.remove("container", [container.name])
                raise told from None
        return True
