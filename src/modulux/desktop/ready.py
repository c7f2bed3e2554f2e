"""Ready means usable: every module's conditions hold, and the picture that comes through the viewer is the desktop drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress

from modulux import run
from modulux.engine.protocol import Engine
from modulux.errors import NotReadyError, RfbError
from modulux.model.plan import Container, Plan
from modulux.parallel import each
from modulux.rfb import Client, open_pipe, wait_drawn

RFB = "rfb"
"""The interface through which a screen is seen."""

UNDISTURBED = 2.5
"""Seconds in which only the picture is watched: every check costs time that the desktop needs to draw itself."""


class ModuleNotReadyError(NotReadyError):
    """`container` is the one that is not ready."""

    def __init__(self, message: str, *, container: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.container = container


def picture(engine: Engine, viewer: str, socket: str) -> Client:
    """An RFB client at the viewer's socket, through the engine's `exec`: works wherever the engine is.

    The socket is waited for inside, so that this may be called as soon as the viewer's container runs; for a minute or two,
    in case nobody is there any more to end it.
    """
    script = (
        'n=0; until nc -zU "$0" 2>/dev/null; do n=$((n + 1)); [ $n -lt 3000 ] || exit 1; sleep 0.02; done; exec nc -N -U "$0"'
    )
    return Client(open_pipe(engine.exec_argv(viewer, ["sh", "-c", script, socket], stdin=True)), timeout=60)


class Watch:
    """Watches the picture of each screen from the moment its viewer runs, while the rest is still being started.

    Args:
        begins: the whole desktop is being started, so what lies behind the windows is seen before they cover it.
    """

    def __init__(self, engine: Engine, plan: Plan, *, begins: bool) -> None:
        self.engine = engine
        self.plan = plan
        self.begins = begins
        self.viewers: dict[str, Container] = {}  # by container name; the first of each screen
        for c in plan.containers:
            if RFB in c.sockets and c.screen not in {v.screen for v in self.viewers.values()}:
                self.viewers[c.name] = c
        self.pool = ThreadPoolExecutor(max(1, len(self.viewers)))
        self.futures: dict[str, Future[None]] = {}

    def begin(self, container: Container) -> None:
        """Watch from now on, if this is a viewer; does nothing a second time."""
        if container.name in self.viewers and container.name not in self.futures:
            there = [c for c in self.plan.containers if c.screen == container.screen]
            self.futures[container.name] = self.pool.submit(_wait_picture, self.engine, container, there, self.begins)

    def begin_all(self) -> None:
        for viewer in self.viewers.values():
            self.begin(viewer)

    def drawn(self, seconds: float) -> bool:
        """Whether the desktop was drawn, or the watch came to another end, within `seconds`."""
        return not wait(self.futures.values(), seconds).not_done

    def end(self) -> None:
        """Return once the desktop is drawn.

        Raises:
            ModuleNotReadyError: it was not in time.
        """
        for future in self.futures.values():
            future.result()

    def abandon(self) -> None:
        """Watch no longer, whatever comes."""
        running = [future for future in self.futures.values() if not future.done()]
        if running:
            run.end_all()
        for future in running:
            with suppress(Exception):
                future.result(10)
        self.pool.shutdown(wait=False)


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


def wait_all_ready(engine: Engine, containers: Sequence[Container]) -> None:
    """Return once the conditions of all hold; the first that is not ready ends the wait for the others."""
    by_name = {c.name: c for c in containers}
    try:
        each(list(by_name), lambda name: wait_ready(engine, by_name[name]), workers=max(1, len(by_name)))
    except NotReadyError:
        run.end_all()
        raise


def unproven(plan: Plan) -> list[Container]:
    """The containers whose readiness does not follow from another's.

    A module runs its command only after the sockets of what it requires accept, so who only has to offer such a socket is ready
    when one that takes it is.
    """
    waited_for = {socket for c in plan.containers for socket in c.env.get("MODULUX_WAIT", "").split()}
    return [c for c in plan.containers if not {*c.ready.conditions} <= {f"socket={socket}" for socket in waited_for}]


def _wait_picture(engine: Engine, viewer: Container, containers: Sequence[Container], begins: bool) -> None:
    drawing = [c for c in containers if c.ready.drawn]
    areas = [area for c in drawing for area in c.ready.drawn if begins or not area.behind]
    timeout = max((c.ready.timeout for c in drawing), default=30.0)
    try:
        with picture(engine, viewer.name, viewer.sockets[RFB]) as client:
            wait_drawn(client, areas, timeout)
    except (RfbError, NotReadyError) as error:
        late = drawing[0] if drawing else viewer
        raise ModuleNotReadyError(f"{late.module} is not drawn: {error}", container=late.name) from None
