"""A machine's containers as units of systemd: the floor of every module, and nothing from an image store."""

from __future__ import annotations

from modulux.engine.protocol import ImageFacts
from modulux.machine.compose import plan_machine
from modulux.machine.units import units
from modulux.model.desktop import Desktop
from modulux.model.machine import Machine
from modulux.paths import shipped
from modulux.resolve.catalog import Catalog
from modulux.resolve.files import load

HASH = "$6$" + "a" * 16 + "$" + "b" * 86
PLAN = plan_machine(
    Machine.model_validate({"name": "m", "desktops": ["openbox"], "init": "systemd", "login": {"password-hash": HASH}}),
    Catalog([shipped("modules")]),
    lambda word: load(shipped("desktops") / f"{word}.yaml", Desktop),
)
FACTS = {c.image: ImageFacts(("/usr/bin/tini", "--"), ("HOME=/home/user",), "/home/user") for c in PLAN.containers}
UNITS = {name: text.splitlines() for name, text in units(PLAN, FACTS).items()}


def test_every_unit_holds_its_container_to_the_floor() -> None:
    assert len(UNITS) == len(PLAN.containers)
    for lines in UNITS.values():
        assert {"User=1000", "ReadOnly=true", "NoNewPrivileges=true", "DropCapability=all"} <= set(lines)
        assert not any(line.startswith("Image=") for line in lines)
        assert any(line.startswith("Rootfs=/run/machine/bundles/modulux.") for line in lines)
        assert "Exec=" in "".join(lines)


def test_capabilities_and_the_machines_network_are_for_those_that_say_so() -> None:
    with_rights = {name for name, lines in UNITS.items() if any(line.startswith("AddCapability=") for line in lines)}
    assert with_rights == {"modulux-m-network.container", "modulux-m-time.container"}
    outside = {name for name, lines in UNITS.items() if "Network=host" in lines}
    assert outside == {"modulux-m-network.container", "modulux-m-time.container", "modulux-openbox-web.container"}


def test_devices_are_devices_and_are_waited_for() -> None:
    xorg = UNITS["modulux-openbox-xorg.container"]
    assert "Volume=/dev/dri:/dev/dri:dev,nosuid,noexec" in xorg
    assert any("--device-cgroup-rule" in line and "226" in line for line in xorg)
    assert "After=systemd-udev-settle.service" in xorg
    assert not any("/dev/dri" in line for name, lines in UNITS.items() if "xorg" not in name for line in lines)


def test_each_has_its_own_terminal_and_systemd_leaves_a_hash_as_it_is() -> None:
    login = UNITS["modulux-m-login.container"]
    assert "Volume=/dev/tty2:/dev/tty2:dev,nosuid,noexec" in login
    assert any("--device-cgroup-rule" in line and "c 4:2 rw" in line for line in login)
    (line,) = [line for line in login if "MODULUX_PASSWORD" in line]
    assert HASH.replace("$", "$$") in line
    assert any("c 4:7 rw" in line for line in UNITS["modulux-openbox-xorg.container"])


def test_who_joins_an_ipc_namespace_has_its_shared_memory() -> None:
    viewer = UNITS["modulux-openbox-x11vnc.container"]
    assert any("--ipc=ns:/run/machine/ipc/modulux.openbox.xorg" in line for line in viewer)
    assert any(line.startswith("Volume=/run/machine/shm/modulux.openbox.xorg:/dev/shm") for line in viewer)
