"""An app less on a running desktop."""

from __future__ import annotations

from modulux.desktop.down import GRACE
from modulux.desktop.state import Module, existing
from modulux.engine.protocol import Engine
from modulux.errors import NotFoundError
from modulux.model.module import Role
from modulux.paths import lock
from modulux.report import Report, step


def app_module(engine: Engine, name: str, app: str) -> Module:
    """The app's module on the running desktop.

    Raises:
        NotFoundError: no such desktop, no such module on it, or one that is no app.
    """
    found = existing(engine, name)
    module = found.module(app)
    if module.role != Role.APP:
        apps = sorted(m.short for m in found.modules.values() if m.role == Role.APP)
        hint = f"its apps: {', '.join(apps)}" if apps else f"modulux swap {name} changes other parts"
        raise NotFoundError(f"`{app}` is no app, but {module.id}", hint=hint)
    return module


def leave(engine: Engine, name: str, module: Module, report: Report) -> None:
    """End the app that `run` added, and remove its container; what is in the session's home stays."""
    with lock(f"{engine.name}.{name}"), step(report, "stop", f"stopping {module.short}"):
        if module.state.running:
            engine.stop([module.name], GRACE)
        engine.remove("container", [module.name])
