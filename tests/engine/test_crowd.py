"""Containers that share many volumes, started at the same moment: with Debian 12's Podman they would wait for each other for good."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from tests.support.cli import Cli

from modulux.cli.common import Common
from modulux.engine.protocol import Engine
from modulux.model.desktop import Desktop
from modulux.model.plan import Container, Mount, Volume
from modulux.resolve.plan import HostFacts, resolve

pytestmark = pytest.mark.engine

ROUNDS, AT_ONCE, SHARED = 4, 6, 10
"""Without the lock the first or second round stood still, each time it was tried."""


@pytest.fixture
def common(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Common:
    for name, value in cli.env.items():
        monkeypatch.setenv(name, value)
    return Common(engine=cli.engine)


@pytest.fixture
def engine(common: Common) -> Engine:
    return common.driver


@pytest.fixture
def volumes(engine: Engine):  # type: ignore[no-untyped-def]
    engine.tidy("modulux.t-crowd.")  # of a run that was killed
    made = [Volume(f"modulux.t-crowd.{i}", kept=False, labels={}) for i in range(SHARED)]
    for volume in made:
        engine.make(engine.volume_argv(volume))
    yield made
    engine.remove("container", [state.name for state in engine.containers("modulux.t-crowd.")])
    engine.remove("volume", [volume.name for volume in made])


def crowd(common: Common, volumes: list[Volume]) -> list[Container]:
    """Copies of one container that sleeps; each names the volumes in another order."""
    plan = resolve(
        Desktop.model_validate({"name": "t-crowd", "display": "xvfb", "sessions": ["openbox"]}),
        common.catalog,
        HostFacts(),
        "desktop.yaml",
    )
    display = plan.container("xvfb")
    assert display
    mounts = [Mount(volume.name, f"/mnt/{volume.name}", read_only=True) for volume in volumes]
    return [
        replace(
            display,
            name=f"modulux.t-crowd.c{i}",
            command=("sleep", "60"),
            mounts=tuple(mounts[i:] + mounts[:i]),
        )
        for i in range(AT_ONCE)
    ]


@pytest.mark.timeout(240)
def test_all_of_them_run(common: Common, engine: Engine, volumes: list[Volume]) -> None:
    containers = crowd(common, volumes)
    names = {c.name for c in containers}
    for _ in range(ROUNDS):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(engine.start, containers))
        assert {state.name for state in engine.containers("modulux.t-crowd.") if state.running} == names
        engine.remove("container", sorted(names))
