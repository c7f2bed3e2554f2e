"""A machine and its desktops as one plan: the card's display and sound, what it has once, where its gateways listen."""

from __future__ import annotations

import pytest

from modulux.errors import ResolveError
from modulux.machine.bootplan import boot_lines
from modulux.machine.bundle import waits_for_devices
from modulux.machine.compose import needs_of, plan_machine, with_installer
from modulux.machine.files import read_machine
from modulux.machine.units import wanted_by
from modulux.model.desktop import Desktop
from modulux.model.machine import Machine
from modulux.model.plan import Plan
from modulux.paths import shipped
from modulux.resolve.catalog import Catalog
from modulux.resolve.files import load
from modulux.resolve.plan import HostFacts, resolve

HASH = "$6$" + "a" * 16 + "$" + "b" * 86
CATALOG = Catalog([shipped("modules")])


def desktop(word: str) -> Desktop:
    return load(shipped("desktops") / f"{word}.yaml", Desktop)


def plan(**keys: object) -> Plan:
    return plan_machine(Machine.model_validate({"name": "m", **keys}), CATALOG, desktop)


@pytest.mark.parametrize(
    ("display", "devices"),
    [("xorg", {"/dev/dri", "/dev/input", "/dev/snd", "/dev/sticks", "/dev/tty0"}), ("own", {"/dev/sticks"})],
)
def test_a_desktop_on_the_card_declares_its_devices_and_one_of_its_own_display_none(display: str, devices: set[str]) -> None:
    found = needs_of(plan(desktops=["openbox"], display=display), CATALOG)
    assert {d for n in found for d in n.devices} == devices
    assert ("display/xvfb" in [n.module for n in found]) == (display == "own")


def test_two_desktops_share_what_a_machine_has_once() -> None:
    both = plan(desktops=["openbox", {"desktop": "xfce", "display": "own"}])
    names = [c.name for c in both.containers]
    assert names.count("modulux.m.network") == 1
    assert {"modulux.openbox.xorg", "modulux.m.udev", "modulux.xfce.xvfb"} <= set(names)
    assert len(names) == len(set(names))
    volumes = {v.name for v in both.volumes}
    assert all(m.source in volumes for c in both.containers for m in c.mounts)
    gateways = [c for c in both.containers if c.role == "gateway"]
    assert {m.source for c in gateways for m in c.mounts if m.target == "/run/modulux/network"} == {"modulux.m.network.network"}


def test_one_that_is_not_to_be_started_rests_and_what_the_machine_has_once_does_not() -> None:
    made = plan(desktops=["openbox", {"desktop": "xfce", "autostart": False}])
    assert {c.desktop for c in made.containers if c.rests} == {"xfce"}
    assert {c.desktop for c in made.containers if not c.rests} == {"openbox", None}
    assert {c.name for c in made.containers if c.desktop is None} >= {"modulux.m.network", "modulux.m.udev"}
    lines = boot_lines(made, {c.image: ["id"] for c in made.containers})
    assert "desktop\tmodulux.xfce.xorg\txfce\trests" in lines
    assert "desktop\tmodulux.openbox.xorg\topenbox\tstarts" in lines
    assert not any(line.startswith("desktop\tmodulux.m.") for line in lines)
    wanted = wanted_by(made.containers)
    assert {name for name, target in wanted.items() if target is None} == {
        c.name for c in made.containers if c.rests or waits_for_devices(c)
    }


def test_a_machine_starts_at_least_one_desktop() -> None:
    with pytest.raises(ResolveError, match="starts none of its desktops"):
        plan(desktops=[{"desktop": "xfce", "autostart": False}])


def test_the_network_knows_it_by_its_hostname_and_its_containers_by_its_name() -> None:
    made = plan(desktops=["openbox"], hostname="den")
    assert {c.hostname for c in made.containers if c.desktop is None} == {"den"}
    assert "host\tden" in boot_lines(made, {c.image: ["id"] for c in made.containers}, host="den")
    assert {c.name.split(".")[1] for c in made.containers} == {"m", "openbox"}


def test_names_that_a_gateway_answers_to_are_the_machines_to_say() -> None:
    (found,) = [
        c for c in plan(desktops=["openbox"], gateway={"module": "web", "hosts": "a"}).containers if c.role == "gateway"
    ]
    assert "--hosts=a" in found.command


def test_each_gateway_has_ports_of_its_own_on_the_loopback() -> None:
    found = [c for c in plan(desktops=["openbox", "xfce"]).containers if c.role == "gateway"]
    assert [c.env["MODULUX_PORT_WEB"] for c in found] == ["6080", "6081"]
    assert [c.env["MODULUX_PORT_VNC"] for c in found] == ["5900", "5901"]
    assert {c.env["MODULUX_LISTEN"] for c in found} == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("keys", "servers"), [({}, "network"), ({"time": "10.0.0.1"}, "10.0.0.1"), ({"time": ["a.example", "2001:db8::1"]}, "")]
)
def test_the_clock_is_set_by_whom_the_file_says(keys: dict[str, object], servers: str) -> None:
    clocks = [c for c in plan(desktops=["openbox", "xfce"], **keys).containers if c.module == "service/time"]
    assert [c.name for c in clocks] == ["modulux.m.time"]
    assert clocks[0].command[-1] == (servers or "a.example 2001:db8::1")
    assert clocks[0].capabilities == ("SYS_TIME",)
    assert "/run/modulux/network" in {m.target for m in clocks[0].mounts}


@pytest.mark.parametrize("keys", [{"time": "none"}, {"network": "none"}])
def test_nobody_sets_the_clock_where_nobody_is_to_or_can(keys: dict[str, object]) -> None:
    assert not any(c.module == "service/time" for c in plan(desktops=["openbox"], **keys).containers)


def test_a_machine_without_a_network_asks_for_no_address() -> None:
    assert not any(c.module == "service/network" for c in plan(desktops=["openbox"], network="none").containers)


def test_a_desktop_is_named_once() -> None:
    with pytest.raises(ResolveError, match="names the desktop `openbox` twice"):
        plan(desktops=["openbox", "openbox"])


def test_the_hostname_is_the_machines() -> None:
    (network,) = [c for c in plan(desktops=["openbox"]).containers if c.module == "service/network"]
    assert network.command[-1] == "m"


def terminals(plan: Plan) -> dict[str, list[str]]:
    return {c.name: found for c in plan.containers if (found := [d for d in c.devices if "tty" in d])}


def test_displays_on_the_card_have_terminals_from_f7_on_in_the_files_order() -> None:
    both = plan(desktops=["xfce", {"desktop": "icewm", "display": "own"}, "openbox"])
    assert terminals(both) == {"modulux.xfce.xorg": ["/dev/tty7"], "modulux.openbox.xorg": ["/dev/tty8"]}
    (xorg,) = [c for c in both.containers if c.name == "modulux.openbox.xorg"]
    assert xorg.command[-1] == "8"


def test_a_login_is_there_once_with_a_home_of_its_own_and_the_first_desktops_documents() -> None:
    both = plan(desktops=["openbox", "xfce"], login={"password-hash": HASH})
    (login,) = [c for c in both.containers if c.module == "service/login"]
    assert (login.name, login.hostname, login.devices) == ("modulux.m.login", "m", ("/dev/tty2",))
    assert login.env["MODULUX_PASSWORD"] == HASH
    assert login.command[-2:] == ("2", "m")
    assert {m.target: m.source for m in login.mounts} == {
        "/home/user": "modulux.m.login.console-home",
        "/home/user/Documents": "modulux.openbox.share.Documents",
        "/run/modulux/keeper": "modulux.openbox.keeper",  # in which nothing lies as long as nobody keeps the data
    }
    assert {v.name: v.kept for v in both.volumes}["modulux.m.login.console-home"]
    others = [c for c in both.containers if c is not login]
    assert not any(HASH in word for c in others for word in (*c.command, *c.env.values()))


def test_without_the_key_there_is_no_login_and_without_a_password_only_by_that_word() -> None:
    assert not any(c.module == "service/login" for c in plan(desktops=["openbox"]).containers)
    open_to_all = plan(desktops=["openbox"], login={"password": "none"})
    assert [c.env["MODULUX_PASSWORD"] for c in open_to_all.containers if c.short == "login"] == ["none"]


def test_who_keeps_the_data_has_the_desktops_volumes_and_none_of_the_machines_own() -> None:
    both = plan(desktops=["openbox", "xfce"], services=["keeper"], login={"password": "none"})
    (keeper,) = [c for c in both.containers if c.custody]
    assert keeper.name == "modulux.m.keeper"
    homes = {"modulux.openbox.openbox.home", "modulux.xfce.xfce.home"}
    assert set(keeper.custody) == {*homes, "modulux.openbox.share.Documents", "modulux.xfce.share.Documents"}
    assert {m.source for m in keeper.mounts}.isdisjoint(homes), "to be read alone"
    (said,) = {m.source for c in both.containers for m in c.mounts if m.target == "/run/modulux/keeper"}
    assert {c.short for c in both.containers for m in c.mounts if m.source == said} == {"keeper", "login"}
    assert [file["name"] for file in both.files] == ["openbox", "xfce"]
    assert not any(c.custody for c in plan(desktops=["openbox"], login={"password": "none"}).containers)


def test_a_desktop_that_is_called_as_its_machine_keeps_its_own() -> None:
    alike = plan_machine(
        Machine.model_validate({"name": "openbox", "desktops": ["openbox"], "services": ["keeper"]}), CATALOG, desktop
    )
    (keeper,) = [c for c in alike.containers if c.custody]
    assert set(keeper.custody) == {"modulux.openbox.openbox.home", "modulux.openbox.share.Documents"}


def test_nobody_keeps_the_data_in_an_engine() -> None:
    with pytest.raises(ResolveError, match="keeps the data of a whole machine"):
        resolve(Desktop.model_validate({**desktop("openbox").model_dump(), "services": ["keeper"]}), CATALOG, HostFacts())


def test_terminals_come_to_an_end() -> None:
    names = [f"d{i}" for i in range(7)]
    made = {name: desktop("openbox").model_copy(update={"name": name}) for name in names}
    with pytest.raises(ResolveError, match="no virtual terminal is left for `display/xorg`"):
        plan_machine(Machine.model_validate({"name": "m", "desktops": names}), CATALOG, made.__getitem__)


@pytest.mark.parametrize("path", sorted(shipped("machines").glob("*.yaml")), ids=lambda p: p.stem)
def test_shipped_machines(path: object) -> None:
    machine = read_machine(path)  # type: ignore[arg-type]
    assert machine.summary
    assert plan_machine(machine, CATALOG, desktop).containers


@pytest.mark.parametrize(("login", "ways"), [(None, []), ({}, ["login"]), ({"serial": True}, ["login", "serial-login"])])
def test_the_serial_line_takes_a_login_only_when_the_file_says_so(login: dict[str, object] | None, ways: list[str]) -> None:
    keys = {} if login is None else {"login": {"password-hash": HASH, **login}}
    found = [c for c in plan(desktops=["openbox", "xfce"], **keys).containers if c.role == "service" and "login" in c.short]
    assert [c.short for c in found if c.short != "login1"] == ways
    homes = {m.source for c in found for m in c.mounts if m.target == "/home/user"}
    assert len(homes) == bool(ways), "the same home"


def test_the_line_of_a_medium_is_its_installers() -> None:
    machine = Machine.model_validate({"name": "m", "desktops": ["openbox"], "login": {"password": "none", "serial": True}})
    found = plan_machine(with_installer(machine), CATALOG, desktop).containers
    assert [c.short for c in found if "/dev/ttyS0" in c.devices] == ["serial-installer"]


@pytest.mark.parametrize("keys", [{}, {"login": {"password": "none"}}, {"services": ["installer"]}])
def test_the_installer_of_a_medium_is_always_behind_the_same_keys(keys: dict[str, object]) -> None:
    machine = Machine.model_validate({"name": "m", "desktops": ["openbox"], **keys})
    found = plan_machine(with_installer(machine), CATALOG, desktop)
    wanted = {"modulux.m.installer": "/dev/tty3", **({"modulux.m.login": "/dev/tty2"} if "login" in keys else {})}
    texts = {c.name: d for c in found.containers for d in c.devices if d in ("/dev/tty2", "/dev/tty3", "/dev/tty4")}
    assert texts == wanted
    assert [c.command for c in found.containers if c.short == "installer"] == [("/usr/lib/modulux/installer", "/dev/tty3")]


def test_one_module_keeps_what_all_say_and_pid_1_knows_it_before_the_first_container() -> None:
    found = plan(desktops=["openbox", "xfce"], log={"size": "8m", "days": 3})
    (keeper,) = [c for c in found.containers if c.module == "service/log"]
    assert keeper.command[-2:] == ("8", "3")
    assert not keeper.capabilities
    assert not keeper.devices
    assert keeper.networks == ()
    assert "modulux.m.log.journal" in {v.name for v in found.volumes if v.kept}
    lines = boot_lines(found, {c.image: ["x"] for c in found.containers}, version="v", host="m")
    words = [line.split("\t")[0] for line in lines]
    assert "log\tmodulux.m.log\t/run/machine/volumes/modulux.m.log.log/socket" in lines
    assert words.index("log") < words.index("layers")


@pytest.mark.parametrize("keys", [{"log": "none"}, {"init": "systemd"}])
def test_nothing_is_kept_where_nothing_is_to_be_or_a_journal_is_there(keys: dict[str, object]) -> None:
    assert not any(c.module == "service/log" for c in plan(desktops=["openbox"], **keys).containers)
