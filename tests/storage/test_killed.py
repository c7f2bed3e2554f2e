"""SIGKILL and power cuts at every step: whatever comes next, the same command goes on, undo puts back, and nothing is ever lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.storage.conftest import Moving

pytestmark = pytest.mark.engine

STEPS = ["warm", "stop", "final", "verify", "switch", "start", "check"]
ENGINES = [("docker", "ext4"), ("podman", "xfs")]


def test_killed_at_each_step(moving: Callable[..., Moving]) -> None:
    """Each life of the command ends a step later than the one before."""
    m = moving("podman", big="xfs")
    for step in STEPS:
        assert m.killed(f"move:{step}", "move"), step
    m.verb("move")
    m.filled.all_there()
    for step in [*STEPS, "clean"]:
        assert m.killed(f"back:{step}", "undo"), step
    m.undo()
    m.back_home()


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "disk"), ENGINES)
def test_killed_within_each_step(moving: Callable[..., Moving], engine: str, disk: str) -> None:
    """After one effect more each time, until the step is through; then the next one."""
    m = moving(engine, big=disk)
    lives = 0
    for task, verb in (("move", "move"), ("back", "undo"), ("move", "move"), ("commit", "commit")):
        for step in {"move": STEPS, "back": [*STEPS, "clean"], "commit": ["clean"]}[task]:
            for effects in range(0, 60, 3):
                if m.journal() is None and verb != "move":
                    break  # it was through before it could be killed
                if not m.killed(f"{task}:{step}+{effects}", verb):
                    break
                lives += 1
                journal = m.journal()
                if journal is None or (journal["task"], journal["step"]) not in ((task, step), (task, "stop")):
                    break
        if verb == "commit" and m.journal() is None:
            break
        m.verb(verb, "--yes", status=None if m.journal() is None else 0)
        m.filled.all_there()
    assert m.journal() is None
    assert lives > 40


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "disk"), ENGINES)
def test_undo_after_being_killed_at_each_step(moving: Callable[..., Moving], engine: str, disk: str) -> None:
    m = moving(engine, big=disk)
    home = m.where()
    for step in STEPS:
        for effects in (0, 4, 9):
            m.killed(f"move:{step}+{effects}", "move")
            m.undo()
            assert m.where() == home, step
            m.back_home()


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "disk"), ENGINES)
def test_the_power_is_cut_at_each_step(moving: Callable[..., Moving], engine: str, disk: str) -> None:
    """The machine starts again with what had reached its disks, and the engine with it; then the same command goes on."""
    m = moving(engine, big=disk)
    m.host.sh("sync")
    for task, verb in (("move", "move"), ("back", "undo")):
        for step in STEPS + (["clean"] if task == "back" else []):
            for effects in (0, 5):
                m.killed(f"{task}:{step}+{effects}", verb)
                m.host.cut()
                m.host.boot()
                if m.journal() is None:
                    break
                m.start_engine()
                m.filled.all_there()
        m.verb(verb, "--yes", status=None if m.journal() is None else 0)
        m.filled.all_there()
    m.back_home()


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "disk"), ENGINES)
def test_the_power_is_cut_and_nobody_starts_the_engine(moving: Callable[..., Moving], engine: str, disk: str) -> None:
    m = moving(engine, big=disk)
    m.host.sh("sync")
    for step in ["final", "verify", "switch", "start"]:
        m.killed(f"move:{step}+3", "move")
        m.host.cut()
        m.host.boot()
    m.verb("move")
    m.filled.all_there()
    m.undo()
    m.back_home()


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "disk"), ENGINES)
def test_killed_and_cut_in_a_second_move(moving: Callable[..., Moving], engine: str, disk: str) -> None:
    """What was moved and committed is moved again: killed within each step, gone on with or undone, and without power."""
    m = moving(engine, big=disk)
    m.move()
    m.verb("commit", "--yes")
    m.to = "/var/lib/elsewhere"
    second = m.where()
    for step in STEPS:
        for effects in (0, 2, 4, 6, 9):
            m.killed(f"move:{step}+{effects}", "move")
            m.undo()
            assert m.where() == second, step
            m.filled.all_there()
    m.host.sh("sync")
    for task, verb in (("move", "move"), ("back", "undo"), ("move", "move")):
        for step, effects in (("final", 3), ("switch", 1), ("switch", 3), ("switch", 5), ("start", 1)):
            m.killed(f"{task}:{step}+{effects}", verb)
            m.host.cut()
            m.host.boot()
        m.verb(verb, "--yes")
        m.filled.all_there()
        place = m.host.sh('findmnt --noheadings --output SOURCE --target "$1"', str(m.host.big)).split("[")[0].strip()
        assert (m.where() == place) == (verb == "undo")
    m.verb("commit", "--yes")
    m.filled.all_there()
