"""What PID 1 is told: every layer, volume and container, in an order in which it can be done."""

import dataclasses
from pathlib import Path

import pytest

from modulux.machine.bootplan import CONTROL, CONTROL_PORT, boot_lines
from modulux.machine.build import plan_lines
from modulux.machine.compose import plan_machine
from modulux.model.desktop import Desktop
from modulux.model.machine import Machine
from modulux.model.plan import Container, Plan
from modulux.paths import shipped
from modulux.resolve.catalog import Catalog
from modulux.resolve.files import load
from modulux.resolve.plan import HostFacts, resolve


@pytest.fixture(scope="module")
def plan() -> Plan:
    desktop = load(shipped("desktops") / "openbox.yaml", Desktop)
    return resolve(desktop, Catalog([shipped("modules")]), HostFacts())


def lines(plan: Plan) -> list[list[str]]:
    layers = {c.image: [f"{c.short}-top", "base"] for c in plan.containers}
    return [line.split("\t") for line in boot_lines(plan, layers)]


def test_each_container_has_its_layers_the_topmost_first_and_is_run_in_the_plans_order(plan: Plan) -> None:
    made = lines(plan)
    assert [line[1] for line in made if line[0] == "run"] == [c.name for c in plan.containers]
    assert ["layers", "modulux.openbox.xvfb", "xvfb-top:base"] in made
    words = [line[0] for line in made if line[0] not in ("ready", "ask")]
    assert words == sorted(words, key=["layers", "ipc", "volume", "run", "later", "after", "link"].index)


def test_each_volume_is_made_once_and_filled_by_one_who_may_write_to_it(plan: Plan) -> None:
    made = [line for line in lines(plan) if line[0] == "volume"]
    used = {m.source for c in plan.containers for m in c.mounts}
    assert sorted(line[1].rpartition("/")[2] for line in made) == sorted(used)
    writers = {(m.source, c.name) for c in plan.containers for m in c.mounts if not m.read_only}
    written = {source for source, _ in writers}
    assert all((s.rpartition("/")[2], name) in writers for _, s, name, _ in made if s.rpartition("/")[2] in written)
    homes = [line[1] for line in made if line[3] == "/home/user"]
    assert homes == ["/state/volumes/modulux.openbox.openbox.home"]


def test_sockets_are_asked_by_pid_1_and_all_else_by_the_contracts_own_program(plan: Plan) -> None:
    made = lines(plan)
    asked = next(line for line in made if line[:2] == ["ask", "modulux.openbox.openbox"])
    assert asked[2:4] == ["/usr/lib/modulux/ready", "0"]
    assert "window=Tint2" in asked
    assert not any(word.startswith("socket=") for line in made if line[0] == "ask" for word in line)
    display = next(line for line in made if line[:2] == ["ready", "modulux.openbox.xvfb"])
    assert "/run/machine/volumes/modulux.openbox.xvfb.x11/X0" in display


def test_whether_it_is_drawn_is_asked_of_the_display_that_can_tell(plan: Plan) -> None:
    assert not [line for line in lines(plan) if line[0] == "look"]
    display = next(c for c in plan.containers if c.role == "display")
    tells = dataclasses.replace(display, ready=dataclasses.replace(display.ready, looks=("/looks",)))
    made = lines(dataclasses.replace(plan, containers=tuple(tells if c is display else c for c in plan.containers)))
    (look,) = [line for line in made if line[0] == "look" and line[1] == "modulux.openbox.openbox"]
    assert look[2:4] == ["modulux.openbox.xvfb", "/looks"]
    assert look[4:]
    assert all(len(area.split(",")) in (5, 6) for area in look[4:])


@pytest.mark.parametrize(("display", "session"), [("xorg", "openbox"), ("wayland-card", "labwc")])
def test_displays_on_a_card_can_tell(display: str, session: str) -> None:
    desktop = {"name": "d", "display": "wayland" if session == "labwc" else "xvfb", "sessions": [session]}
    machine = Machine.model_validate({"name": "m", "desktops": [{"desktop": desktop}], "display": display})
    made = lines(plan_machine(machine, Catalog([shipped("modules")]), lambda word: load(Path(word), Desktop)))
    looked = [line for line in made if line[0] == "look"]
    assert [line[1:4] for line in looked] == [[f"modulux.d.{session}", f"modulux.d.{display}", "/usr/lib/modulux/looks"]]


def test_who_waited_for_anothers_socket_is_ended_before_it(plan: Plan) -> None:
    after = {line[1]: line[2:] for line in lines(plan) if line[0] == "after"}
    assert "modulux.openbox.xvfb" in after["modulux.openbox.openbox"]
    assert "modulux.openbox.xvfb" in after["modulux.openbox.x11vnc"]
    assert all(name not in others for name, others in after.items())


def test_what_makes_the_picture_comes_first(plan: Plan) -> None:
    later = {line[1] for line in lines(plan) if line[0] == "later"}
    roles = {c.name: c.role for c in plan.containers}
    assert later
    assert not any(roles[name] in ("display", "session") for name in later)
    assert {name for name, role in roles.items() if role == "app"} <= later


def test_policy_and_devices_come_from_the_contract(plan: Plan) -> None:
    first = plan.containers[0]
    changed = dataclasses.replace(first, devices=("/dev/dri",), env={**first.env, "MODULUX_RESTART": "on-failure"})
    made = lines(dataclasses.replace(plan, containers=(changed, *plan.containers[1:])))
    assert ["device", first.name, "/dev/dri"] in made
    assert next(line for line in made if line[:2] == ["run", first.name])[2] == "on-failure"


def test_who_draws_on_a_terminal_is_told_from_who_writes(plan: Plan) -> None:
    def on(c: Container, number: int) -> Container:
        return dataclasses.replace(c, devices=(f"/dev/tty{number}",))

    there = {c.role: c for c in plan.containers}
    changed = (on(there["display"], 7), on(there["gateway"], 2))
    made = lines(dataclasses.replace(plan, containers=changed))
    assert [line[1:] for line in made if line[0] == "terminal"] == [
        [there["display"].name, "7", "draws"],
        [there["gateway"].name, "2", "text"],
    ]
    assert not any(line[0] == "device" for line in made)


def test_the_system_and_the_host_are_named_first(plan: Plan) -> None:
    made = boot_lines(plan, {c.image: ["base"] for c in plan.containers}, version="abc", host="office")
    assert made[:2] == ["version\tabc", "host\toffice"]


def test_there_is_no_port_but_the_one_to_command_it_by(plan: Plan) -> None:
    """PID 1 looks for each again and again: none is named that no virtual machine has."""
    assert any(c.sockets.get("rfb") for c in plan.containers), "a viewer has a socket"
    machine = Machine.model_validate({"name": "m", "desktops": ["openbox"]})
    made = plan_lines(machine, plan, {c.image: ["base"] for c in plan.containers}, [], "v").splitlines()
    assert [line for line in made if line.startswith("link\t")] == [f"link\t{CONTROL_PORT}\t{CONTROL}"]


def test_what_would_break_a_line_is_refused(plan: Plan) -> None:
    first = plan.containers[0]
    broken = dataclasses.replace(first, ready=dataclasses.replace(first.ready, conditions=("command=a\tb",)))
    with pytest.raises(ValueError, match="boot plan"):
        lines(dataclasses.replace(plan, containers=(broken, *plan.containers[1:])))


def test_who_keeps_the_data_is_named_and_only_then() -> None:
    machine = Machine.model_validate({"name": "m", "desktops": ["openbox"], "services": ["keeper"]})
    catalog = Catalog([shipped("modules")])
    made = plan_machine(machine, catalog, lambda word: load(shipped("desktops") / f"{word}.yaml", Desktop))
    found = lines(made)
    assert ["custody", "modulux.m.keeper"] in found
    assert ["link", "modulux.keeper", "/run/machine/volumes/modulux.openbox.keeper/socket"] in found
    assert next(line for line in found if line[:2] == ["run", "modulux.m.keeper"])[2] == "always"
    without = plan_machine(
        machine.model_copy(update={"services": []}), catalog, lambda word: load(shipped("desktops") / f"{word}.yaml", Desktop)
    )
    assert not {"custody"} & {line[0] for line in lines(without)}
