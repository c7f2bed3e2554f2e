"""A desktop rebuilt: what comes up stays, what does not is what it was. One module is really built anew, the others get new names."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.support.cli import Cli

from modulux.cli.common import Common
from modulux.cli.shop import workshop
from modulux.engine.protocol import Engine
from modulux.errors import NotReadyError
from modulux.keep.backup import Task
from modulux.keep.inventory import take_stock
from modulux.keep.restic import OURS, Repository
from modulux.keep.restore import target_of
from modulux.keep.rollback import rollback, rollback_module
from modulux.keep.shop import Source
from modulux.keep.upgrade import NEW, drop_kept, upgrade
from modulux.model.plan import Image

pytestmark = [pytest.mark.engine, pytest.mark.one_engine, pytest.mark.slow]

NAME = "t-upgrade"
RECIPE = "RUN true\n"
COMMAND = "cat /built 2>/dev/null; [ ! -e /built ] || [ $(cat /built) = good ] || exit 3; exec sleep infinity"


def test_rebuilt_and_back(
    cli: Cli, own_modules: Callable[[str, str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = own_modules(
        "fickle",
        f"uses: [home]\nrequires: [x11]\nrestart: never\ncommand: [sh, -c, {json.dumps(COMMAND)}]\n"
        "ready: {command: [sh, -c, 'test ! -e /built || grep -q good /built'], timeout: 20s}\n",
        RECIPE,
    )
    monkeypatch.setenv("MODULUX_MODULES", str(modules))
    monkeypatch.setenv("MODULUX_ENGINE", "podman")
    (tmp_path / "desktop.yaml").write_text(f"name: {NAME}\ndisplay: xvfb\nsessions: [openbox]\napps: [fickle]\n")
    engine = (common := Common()).driver
    repository = Repository(str(tmp_path / "repository"), b"open sesame")
    repository.do("init")
    shop = workshop(common, repository)
    task = Task(engine, repository, NAME, shop.plan)

    def builder(word: str) -> Callable[[Engine, Sequence[Image]], object]:
        """Builds the one module with `word` in it."""

        def build(_: Engine, images: Sequence[Image]) -> None:
            for image in images:
                old = image.reference.removesuffix(NEW)
                if image.module == "app/fickle":
                    (tmp_path / "Dockerfile").write_text(f"FROM {old}\nUSER 0\nRUN echo {word} >/built\nUSER 1000\n")
                    engine.do(engine.build_argv(tmp_path, image.reference, {}))
                else:
                    engine.tag(old, image.reference)

        return build

    def built() -> str:
        return cli.inside(NAME, "fickle", "cat /built 2>/dev/null || echo none").strip()

    plan = None
    try:
        cli.run("up", str(tmp_path / "desktop.yaml"), "--yes")
        plan = shop.plan(take_stock(engine, NAME, None).file)
        reference = next(c.image for c in plan.containers if c.module == "app/fickle")
        assert built() == "none"
        cli.inside(NAME, "openbox", "echo mine >~/Documents/mine")
        first = upgrade(shop, engine, task, plan, builder("good"))
        assert built() == "good"
        good = engine.image_ids([reference])
        with pytest.raises(NotReadyError, match="does not come up"):
            upgrade(shop, engine, task, plan, builder("bad"))
        assert built() == "good"
        assert engine.image_ids([reference]) == good
        assert cli.inside(NAME, "openbox", "cat ~/Documents/mine") == "mine\n"
        assert not [r for r in engine.ours("localhost/modulux/*") if r.endswith(NEW)]
        source = Source(repository, repository.find(first.snapshot[:8]))
        assert rollback_module(shop, source, NAME, "fickle") == "app/fickle"
        assert built() == "none"
        engine.tag(good[reference], reference)
        cli.inside(NAME, "openbox", "rm ~/Documents/mine")
        assert rollback(shop, source, target_of(engine, source.manifest, None)) == ()
        assert built() == "none"
        assert cli.inside(NAME, "openbox", "cat ~/Documents/mine") == "mine\n"
    finally:
        cli.run("down", NAME, "--volumes", "--yes", status=None)
        drop_kept(engine, [s.id for s in repository.snapshots(OURS)])
        if plan is not None:
            engine.remove("image", [c.image for c in plan.containers if c.module == "app/fickle"])
    assert [*cli.left(NAME), *(r for r in engine.ours("localhost/modulux/*") if "." in r.rpartition(":")[2])] == []
