"""What PID 1 is told: every layer, volume and container, in an order in which it can be done."""

import dataclasses

import pytest

from modulux.machine.bootplan import boot_lines, rfb_socket
from modulux.model.desktop import Desktop
from modulux.model.plan import Plan
from modulux.paths import shipped
from modulux.resolve.catalog import Catalog
from modulux.resolve.files import load
from modulux.resolve.plan import HostFacts, resolve


@pytest.fixture(scope="module")
def plan() -> Plan:
    desktop = load(shipped("desktops") / "openbox.yaml", Desktop)
    return resolve(desktop, Catalog([shipped("modules")]), HostFacts())


def lines(plan: Plan, link: str | None = None) -> list[list[str]]:
    layers = {c.image: [f"{c.short}-top", "base"] for c in plan.containers}
    return [line.split("\t") for line in boot_lines(plan, layers, link)]


def test_each_container_has_its_layers_the_topmost_first_and_is_run_in_the_plans_order(plan: Plan) -> None:
    made = lines(plan)
    assert [line[1] for line in made if line[0] == "run"] == [c.name for c in plan.containers]
    assert ["layers", "modulux.openbox.xvfb", "xvfb-top:base"] in made
    words = [line[0] for line in made]
    assert words == sorted(words, key=["layers", "ipc", "volume", "run", "ready"].index)


def test_each_volume_is_made_once_and_filled_by_one_who_may_write_to_it(plan: Plan) -> None:
    made = [line for line in lines(plan) if line[0] == "volume"]
    used = {m.source for c in plan.containers for m in c.mounts}
    assert sorted(line[1].rpartition("/")[2] for line in made) == sorted(used)
    writers = {(m.source, c.name) for c in plan.containers for m in c.mounts if not m.read_only}
    written = {source for source, _ in writers}
    assert all((s.rpartition("/")[2], name) in writers for _, s, name, _ in made if s.rpartition("/")[2] in written)
    homes = [line[1] for line in made if line[3] == "/home/user"]
    assert homes == ["/state/volumes/modulux.openbox.openbox.home"]


def test_readiness_is_asked_by_the_contracts_own_program(plan: Plan) -> None:
    ready = next(line for line in lines(plan) if line[:2] == ["ready", "modulux.openbox.openbox"])
    assert ready[2] == "/usr/lib/modulux/ready"
    assert int(ready[3]) > 0
    assert "window=Tint2" in ready


def test_the_viewers_socket_is_found_where_its_volume_lies(plan: Plan) -> None:
    link = rfb_socket(plan)
    assert link == "/run/machine/volumes/modulux.openbox.rfb/openbox.x11vnc.sock"
    assert ["link", link] in lines(plan, link)


def test_what_would_break_a_line_is_refused(plan: Plan) -> None:
    first = plan.containers[0]
    broken = dataclasses.replace(first, ready=dataclasses.replace(first.ready, conditions=("command=a\tb",)))
    with pytest.raises(ValueError, match="boot plan"):
        lines(dataclasses.replace(plan, containers=(broken, *plan.containers[1:])))
