"""Ready means usable: every module's conditions hold, and the picture that comes through the viewer is the desktop drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence

from modulux import run
from modulux.engine.protocol import Engine
from modulux.errors import NotReadyError, RfbError
from modulux.model.plan import Container
from modulux.rfb import Client, open_pipe, wait_drawn


class ModuleNotReadyError(NotReadyError):
    """`container` is the one that is not ready."""

    def __init__(self, message: str, *, container: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.container = container


def wait_ready(engine: Engine, container: Container) -> None:
    """Return once the module's conditions hold.

    Raises:
        ModuleNotReadyError: its command died, or it took longer than its contract allows.
    """
    timeout = math.ceil(container.ready.timeout)
    command = ["/usr/lib/modulux/ready", str(timeout), *container.ready.conditions]
    done = run.run(engine.exec_argv(container.name, command), timeout=timeout + 5)
    if not done.ok:
        why = done.stderr.strip().splitlines()[-1:] or [f"the check ended with {done.status}"]
        raise ModuleNotReadyError(f"{container.module} is not ready: {why[0]}", container=container.name)


def picture(engine: Engine, viewer: str, socket: str) -> Client:
    """An RFB client at the viewer's socket, through the engine's `exec`: works wherever the engine is."""
    return Client(open_pipe(engine.exec_argv(viewer, ["nc", "-N", "-U", socket], stdin=True)))


def wait_picture(engine: Engine, viewer: str, socket: str, containers: Sequence[Container]) -> None:
    """Return once a frame shows every area drawn that the contracts name.

    Raises:
        ModuleNotReadyError: not in time.
    """
    drawing = [c for c in containers if c.ready.drawn]
    areas = [area for c in drawing for area in c.ready.drawn]
    timeout = max((c.ready.timeout for c in drawing), default=30.0)
    try:
        with picture(engine, viewer, socket) as client:
            wait_drawn(client, areas, timeout)
    except (RfbError, NotReadyError) as error:
        container = drawing[0].name if drawing else viewer
        raise ModuleNotReadyError(f"{container} is not drawn: {error}", container=container) from None
