"""A machine's containers as units of systemd: the floor of every module, and nothing from an image store."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from modulux.carry.quadlet import stem
from modulux.engine.protocol import ImageFacts
from modulux.machine.bundle import waits_for_devices
from modulux.machine.compose import plan_machine
from modulux.machine.units import unit, wanted_by
from modulux.model.desktop import Desktop
from modulux.model.machine import Machine
from modulux.paths import shipped
from modulux.resolve.catalog import Catalog
from modulux.resolve.files import load

HASH = "$6$" + "a" * 16 + "$" + "b" * 86
PLAN = plan_machine(
    Machine.model_validate(
        {"name": "m", "desktops": ["openbox"], "init": "systemd", "services": ["keeper"], "login": {"password-hash": HASH}}
    ),
    Catalog([shipped("modules")]),
    lambda word: load(shipped("desktops") / f"{word}.yaml", Desktop),
)
FACTS = {c.image: ImageFacts(("/usr/bin/tini", "--"), ("HOME=/home/user",), "/home/user") for c in PLAN.containers}
KEPT = {v.name for v in PLAN.volumes if v.kept}
UNITS = {f"{stem(c.name)}.container": unit(c, FACTS[c.image], KEPT).splitlines() for c in PLAN.containers}


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
    assert outside == {f"modulux-{name}.container" for name in ("m-network", "m-time", "m-keeper", "openbox-web")}


def test_devices_are_devices() -> None:
    xorg = UNITS["modulux-openbox-xorg.container"]
    assert "Volume=/dev/dri:/dev/dri:dev,nosuid,noexec" in xorg
    assert any("--device-cgroup-rule" in line and "226" in line for line in xorg)
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


def test_who_keeps_the_data_sees_it_and_may_write_beside_it_alone() -> None:
    keeper = UNITS["modulux-m-keeper.container"]
    seen = {line.split(":")[1]: line for line in keeper if line.startswith("Volume=") and ":/keep/" in line}
    assert seen["/keep/machine"].startswith("Volume=/run/machine/keeping:")
    assert {place for place, line in seen.items() if ":rw" in line} == {"/keep/staging"}
    home = "/keep/desktops/openbox/volumes/openbox.home"
    assert seen[home] == f"Volume=/state/volumes/modulux.openbox.openbox.home:{home}:ro,nosuid,nodev,noexec"
    assert "Tmpfs=/keep/desktops/openbox/desktop:rw,nosuid,nodev,mode=1777,size=64m" in keeper
    assert not any(":/keep/" in line for name, lines in UNITS.items() if "keeper" not in name for line in lines)


def test_who_looks_at_sticks_may_read_them_alone_and_all_see_what_is_mounted() -> None:
    media = UNITS["modulux-m-media.container"]
    assert any(line.startswith("Volume=/dev/sticks:/dev/sticks:") for line in media)
    assert any("--device-cgroup-rule" in line and "b *:* r" in line and "rw" not in line for line in media)
    assert "Volume=/run/machine/asks/modulux.m.media:/run/modulux/asks:ro,nosuid,nodev,noexec" in media
    (seen,) = [line for line in UNITS["modulux-openbox-terminal.container"] if ":/media:" in line]
    assert seen.endswith(":ro,rbind,rslave")
    ask = {name for name, lines in UNITS.items() for line in lines if "/run/modulux/asks" in line}
    assert ask == {"modulux-m-media.container", "modulux-m-udev.container"}


def test_displays_hear_of_devices_in_a_network_namespace_of_nothing_else() -> None:
    told = "Network=ns:/run/machine/net/modulux.m.udev.udev"
    assert {name for name, lines in UNITS.items() if told in lines} == {
        "modulux-m-udev.container",
        "modulux-openbox-xorg.container",
    }


def test_who_dies_in_a_loop_is_started_ever_later_and_never_given_up() -> None:
    for lines in UNITS.values():
        assert {"StartLimitIntervalSec=0", "RestartSec=1", "RestartSteps=6", "RestartMaxDelaySec=60"} <= set(lines)


def test_a_unit_leaves_how_it_ends_to_what_is_for_all_of_them() -> None:
    for name, lines in UNITS.items():
        assert name.startswith("modulux-")
        assert not any(line.startswith(("ExecStop=", "ExecStopPost=")) for line in lines)
        assert any(f"--pidfile=/run/{name.removesuffix('.container')}.pid" in line for line in lines)
    for_all = (shipped("modules") / "init/systemd/rootfs/etc/systemd/system/modulux-.service.d/end.conf").read_text()
    assert "ExecStop=\nExecStop=-/run/init end %N\nExecStopPost=\nExecStopPost=-/run/init ended %N\n" in for_all


def test_the_picture_comes_first_where_the_processor_is_busy() -> None:
    def weight(name: str) -> str:
        (line,) = [line for line in UNITS[f"modulux-{name}.container"] if line.startswith("CPUWeight=")]
        return line

    names = ("openbox-xorg", "openbox-openbox", "openbox-terminal", "openbox-web")
    assert [weight(name) for name in names] == [f"CPUWeight={number}" for number in (800, 400, 100, 50)]


def test_who_waits_for_devices_is_started_by_a_word_of_pid_1s() -> None:
    plan = plan_machine(
        Machine.model_validate({"name": "m", "desktops": ["openbox", "xfce"], "init": "systemd"}),
        Catalog([shipped("modules")]),
        lambda word: load(shipped("desktops") / f"{word}.yaml", Desktop),
    )
    found = wanted_by(plan.containers)
    waiting = {c.name for c in plan.containers if waits_for_devices(c)}
    assert {"modulux.m.udev", "modulux.openbox.xorg", "modulux.xfce.xorg", "modulux.xfce.alsa"} <= waiting
    assert {name for name, target in found.items() if target is None} == waiting
    at_boot = {name for name, target in found.items() if target == "multi-user.target"}
    assert at_boot == {"modulux.openbox.openbox", "modulux.xfce.xfce"}
    for c in plan.containers:
        text = unit(c, ImageFacts(("/usr/bin/tini",), (), "/"), set(), wanted_by=found[c.name])
        assert (f"WantedBy={found[c.name]}" in text) is (found[c.name] is not None)


def test_a_filter_of_its_own_lies_where_pid_1_links_it_and_another_one_makes_another_unit(tmp_path: Path) -> None:
    found = []
    for text in ("{}", '{"defaultAction": "SCMP_ACT_ALLOW"}'):
        (tmp_path / "seccomp.json").write_text(text)
        c = dataclasses.replace(PLAN.containers[0], seccomp=str(tmp_path / "seccomp.json"))
        found.append(unit(c, FACTS[c.image], KEPT))
        assert f"SeccompProfile=/run/machine/bundles/{c.name}/seccomp.json" in found[-1].splitlines()
    assert found[0] != found[1]
