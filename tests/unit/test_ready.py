"""Whose readiness must be asked for, and whose follows."""

from __future__ import annotations

import threading
from pathlib import Path

from modulux.desktop.change import change
from modulux.desktop.ready import unproven
from modulux.desktop.start import start
from modulux.desktop.state import Found
from modulux.engine.commandline import CommandLineEngine
from modulux.model.plan import Container

from .test_resolve import plan_of


def test_who_only_offers_a_socket_is_ready_when_a_client_is(world: Path) -> None:
    names = {c.short for c in unproven(plan_of(world, apps=["terminal"]))}
    assert "xvfb" not in names  # the session waits for its socket
    assert "x11vnc" in names  # the gateway looks for viewers when somebody comes, and waits for none


def test_a_socket_that_nobody_takes_is_asked_for(world: Path) -> None:
    names = {c.short for c in unproven(plan_of(world, gateway=None))}
    assert "x11vnc" in names


class Recorder(CommandLineEngine):
    """Writes down in which order it would have been called."""

    name = "podman"

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.lock = threading.Lock()

    def make(self, argv: object) -> str:
        assert isinstance(argv, list)
        with self.lock:
            self.calls.append(argv[argv.index("--name") + 1] if "--name" in argv else argv[-1])
        return ""


def test_each_after_its_parts_and_the_first_frame_before_the_rest(world: Path) -> None:
    engine, told = Recorder(), list[Container]()
    todo = change(plan_of(world, apps=["terminal"]), Found("a"))
    start(engine, todo, told.append)
    order = engine.calls
    for container in todo.start:
        for part in [m.source for m in container.mounts] + list(container.networks) + list(container.needs):
            assert order.index(part) < order.index(container.name)
    assert order.index("modulux.a.xfce") < order.index("modulux.a.terminal")
    assert {c.name for c in told} == {c.name for c in todo.start}
