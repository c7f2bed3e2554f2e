"""What `up` finds to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from modulux.desktop.change import change, removal_waves
from modulux.desktop.state import Found, Module
from modulux.engine.protocol import Named, State
from modulux.errors import NameTakenError
from modulux.model.plan import ADDED, Plan

from .test_resolve import plan_of


def running(plan: Plan) -> Found:
    states = [State(c.name, c.name, "running", c.labels, c.image, 1.0, 0) for c in plan.containers]
    return Found(
        plan.desktop,
        {s.name: Module(s) for s in states},
        {v.name: Named(v.name, v.labels) for v in plan.volumes},
        {n.name: Named(n.name, n.labels) for n in plan.networks},
    )


def names(waves: tuple[tuple[str, ...], ...]) -> set[str]:
    return {n.rpartition(".")[2] for wave in waves for n in wave}


def test_nothing_when_all_is_there(world: Path) -> None:
    plan = plan_of(world)
    assert not change(plan, running(plan))


def test_everything_when_nothing_is(world: Path) -> None:
    plan = plan_of(world)
    todo = change(plan, Found("a"))
    assert len(todo.start) == len(plan.containers)
    assert len(todo.volumes) == len(plan.volumes)
    assert not todo.remove


def test_only_what_differs(world: Path) -> None:
    todo = change(plan_of(world, viewer={"module": "x11vnc", "wait": 9}), running(plan_of(world)))
    assert names(todo.remove) == {"x11vnc"}
    assert [c.short for c in todo.start] == ["x11vnc"]
    assert [v.name for v in todo.volumes] == ["modulux.a.record"] == list(todo.outdated)


def test_what_is_no_longer_wanted_goes(world: Path) -> None:
    todo = change(plan_of(world), running(plan_of(world, apps=["terminal"])))
    assert names(todo.remove) == {"terminal"}
    assert not todo.start


def test_who_joined_the_display_goes_with_it(world: Path) -> None:
    before = running(plan_of(world))
    todo = change(plan_of(world, screen="800x600"), before)
    assert names(todo.remove) >= {"xvfb", "xfce", "x11vnc"}
    assert todo.remove[-1] == ("modulux.a.xvfb",)


def test_an_app_that_was_added_stays(world: Path) -> None:
    with_app = running(plan_of(world, apps=["terminal"]))
    name = "modulux.a.terminal"
    added = replace(with_app.modules[name].state, labels={**with_app.modules[name].state.labels, ADDED: "run"})
    with_app.modules[name] = Module(added)
    todo = change(plan_of(world), with_app)
    assert not todo.remove
    assert not todo.start
    assert name in {n for wave in change(plan_of(world, screen="800x600"), with_app).remove for n in wave}


def test_what_ended_is_started_again(world: Path) -> None:
    plan = plan_of(world, apps=["terminal"])
    found = running(plan)
    name = "modulux.a.terminal"
    found.modules[name] = Module(replace(found.modules[name].state, status="exited"))
    todo = change(plan, found)
    assert [c.name for c in todo.start] == [name]


@pytest.mark.parametrize("taken", ["modulux.a.xvfb", "modulux.a.xvfb.x11", "modulux.a.internet"])
def test_names_that_are_not_ours(world: Path, taken: str) -> None:
    with pytest.raises(NameTakenError, match=taken):
        change(plan_of(world), replace(Found("a"), foreign=(taken,)))


def test_waves_end_even_in_a_circle() -> None:
    def module(name: str, needs: str) -> Module:
        return Module(State(name, name, "running", {"io.modulux.needs": needs}, "", 0, 0))

    assert removal_waves([module("a", ""), module("b", "a"), module("c", "b")]) == (("c",), ("b",), ("a",))
    assert removal_waves([module("a", "b"), module("b", "a")]) == (("a", "b"),)
