"""Starting each pair, and what came of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from PIL import Image

from modulux.desktop.down import down
from modulux.desktop.ready import picture
from modulux.desktop.up import up
from modulux.engine.commandline import CommandLineEngine
from modulux.engine.memory import processes, pss
from modulux.errors import EngineError, ModuluxError
from modulux.images.build import Sources, build
from modulux.matrix.judge import Judge, Step
from modulux.matrix.pairs import NAME, TERMINAL, Pair, desktop_of, seen_by
from modulux.model.plan import Container
from modulux.report import Report
from modulux.resolve.catalog import Catalog
from modulux.resolve.plan import HostFacts, container_name, resolve
from modulux.rfb import Client, open_pipe, wait_drawn
from modulux.xpra import XpraClient

DRAWN = 30.0
"""Seconds that the picture may take once every module is ready; where it comes by RFB, `up` has seen it already."""


@dataclass
class Outcome:
    """What came of a pair: seconds until it could be used, memory (PSS, bytes; 0 if unknown), and each step of a person."""

    pair: Pair
    seconds: float = 0.0
    memory: int = 0
    steps: list[Step] = field(default_factory=list)
    picture: Image.Image | None = None

    @property
    def passed(self) -> bool:
        return bool(self.steps) and all(step.passed for step in self.steps)


def outcomes(
    chosen: Sequence[Pair], catalog: Catalog, engine: CommandLineEngine, sources: Sources, report: Report
) -> Iterator[Outcome]:
    """One after the other; the desktop and its data are gone after each."""
    for pair in chosen:
        outcome = Outcome(pair)
        try:
            _one(outcome, catalog, engine, sources, report)
        except ModuluxError as error:
            hint = (error.hint or "").strip().splitlines()
            outcome.steps.append(Step("starts", False, f"{error}{': ' + hint[-1] if hint else ''}"))
        finally:
            with contextlib.suppress(ModuluxError):
                down(engine, NAME, report, volumes=True)
        yield outcome


def looking(engine: CommandLineEngine, viewer: Container) -> Client:
    """A client of the viewer: by RFB, or by Xpra's protocol, which the page of a viewer that has one speaks."""
    if "rfb" in viewer.sockets:
        return picture(engine, viewer.name, viewer.sockets["rfb"])
    return XpraClient(open_pipe(engine.exec_argv(viewer.name, ["nc", "-N", "-U", viewer.sockets["page"]], stdin=True)))


def _one(outcome: Outcome, catalog: Catalog, engine: CommandLineEngine, sources: Sources, report: Report) -> None:
    pair = outcome.pair
    plan = resolve(desktop_of(pair, catalog), catalog, HostFacts())
    build(plan.images, catalog, engine, sources, report)
    begun = time.monotonic()
    up(engine, plan, report, lambda: None)
    viewer = seen_by(plan, pair)
    assert viewer is not None  # else it would be no pair
    session = catalog.module(f"session/{pair.session}").contract
    with looking(engine, viewer) as client:
        wait_drawn(client, [area for c in plan.containers for area in c.ready.drawn], DRAWN)
        outcome.seconds = time.monotonic() - begun
        outcome.steps.append(Step("starts, panel drawn", True))
        judge = Judge(client, engine, container_name(NAME, TERMINAL))
        outcome.steps.append(judge.types())
        outcome.steps.append(judge.menu(session.probe))
        outcome.picture = judge.settled(0.5)
        outcome.steps.append(judge.moves(session.probe))
    with contextlib.suppress(EngineError):  # without root nobody may look
        outcome.memory = pss(processes(engine, [c.name for c in plan.containers]))
