"""What an OCI runtime is told of a container: the floor that engines are given, and nothing of the host."""

import dataclasses
from typing import Any

import pytest

from modulux.engine.protocol import ImageFacts
from modulux.errors import ResolveError
from modulux.machine.bundle import on_machine_network, runtime_config
from modulux.model.desktop import Desktop
from modulux.model.plan import Container, Mount, Plan
from modulux.paths import shipped
from modulux.resolve.catalog import Catalog
from modulux.resolve.files import load
from modulux.resolve.plan import HostFacts, resolve

IMAGE = ImageFacts(("/usr/bin/tini", "--", "/usr/lib/modulux/enter"), ("HOME=/home/user", "LANG=C.UTF-8"), "/home/user")
ALL = {"pid", "mount", "uts", "network", "cgroup", "ipc"}
SECCOMP = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}


@pytest.fixture(scope="module")
def plan() -> Plan:
    desktop = load(shipped("desktops") / "xfce.yaml", Desktop)
    return resolve(desktop, Catalog([shipped("modules")]), HostFacts())


def container(plan: Plan, short: str) -> Container:
    found = plan.container(short)
    assert found
    return found


def config(c: Container, plan: Plan) -> dict[str, Any]:
    return runtime_config(c, IMAGE, SECCOMP, frozenset(v.name for v in plan.volumes if v.kept))


def mounts(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {m["destination"]: m for m in made["mounts"]}


def test_every_module_is_held_to_the_floor(plan: Plan) -> None:
    for c in plan.containers:
        made = config(c, plan)
        process, linux = made["process"], made["linux"]
        assert process["user"] == {"uid": 1000, "gid": 1000}
        assert process["noNewPrivileges"]
        assert all(held == [] for held in process["capabilities"].values())
        assert made["root"]["readonly"]
        assert linux["resources"]["devices"] == [{"allow": False, "access": "rwm"}]
        assert linux["resources"]["memory"] == {"limit": c.memory, "swap": c.memory}
        assert linux["resources"]["pids"]["limit"] == c.pids
        assert {n["type"] for n in linux["namespaces"]} | ({"network"} if on_machine_network(c) else set()) == ALL
        assert linux["seccomp"] == SECCOMP
        assert process["args"] == [*IMAGE.entrypoint, *c.command]
        assert {"/tmp", "/var/tmp", "/run"} <= set(mounts(made))


def test_the_picture_comes_first_where_the_processor_is_busy(plan: Plan) -> None:
    shares = {c.role: config(c, plan)["linux"]["resources"]["cpu"]["shares"] for c in plan.containers}
    assert shares["display"] > shares["session"] > shares["app"] > shares["gateway"] == shares["viewer"]


def test_only_what_serves_those_outside_has_the_machines_network(plan: Plan) -> None:
    assert [c.short for c in plan.containers if on_machine_network(c)] == ["web"]
    assert "network" not in {n["type"] for n in config(container(plan, "web"), plan)["linux"]["namespaces"]}


def test_data_lie_on_the_state_partition_and_sockets_in_memory(plan: Plan) -> None:
    made = mounts(config(container(plan, "xfce"), plan))
    assert made["/home/user"]["source"] == "/state/volumes/modulux.xfce.xfce.home"
    assert made["/tmp/.X11-unix"]["source"] == "/run/machine/volumes/modulux.xfce.xvfb.x11"
    assert "ro" in made["/tmp/.X11-unix"]["options"]
    own = mounts(config(container(plan, "xvfb"), plan))
    assert "rw" in own["/tmp/.X11-unix"]["options"]


def test_who_joins_an_ipc_namespace_has_its_shared_memory(plan: Plan) -> None:
    made = config(container(plan, "x11vnc"), plan)
    assert {"type": "ipc", "path": "/run/machine/ipc/modulux.xfce.xvfb"} in made["linux"]["namespaces"]
    assert mounts(made)["/dev/shm"]["source"] == "/run/machine/shm/modulux.xfce.xvfb"
    owners = config(container(plan, "xvfb"), plan)["linux"]["namespaces"]
    assert {"type": "ipc", "path": "/run/machine/ipc/modulux.xfce.xvfb"} in owners  # PID 1's, so a restart finds it again
    assert {"type": "ipc"} in config(container(plan, "web"), plan)["linux"]["namespaces"]


def test_the_plans_variables_win_over_the_images(plan: Plan) -> None:
    c = dataclasses.replace(container(plan, "xfce"), env={"LANG": "de_DE.UTF-8"})
    env = config(c, plan)["process"]["env"]
    assert "LANG=de_DE.UTF-8" in env
    assert "LANG=C.UTF-8" not in env
    assert any(pair.startswith("PATH=") for pair in env)


def test_declared_devices_are_there_and_no_others(plan: Plan) -> None:
    made = config(dataclasses.replace(container(plan, "xvfb"), devices=("/dev/dri",)), plan)
    assert mounts(made)["/dev/dri"]["source"] == "/dev/dri"
    assert made["linux"]["resources"]["devices"][1:] == [{"allow": True, "type": "c", "major": 226, "access": "rw"}]
    made = config(dataclasses.replace(container(plan, "xvfb"), devices=("/dev/disks", "/dev/ttyS0")), plan)
    assert made["linux"]["resources"]["devices"][1:] == [
        {"allow": True, "type": "b", "access": "rw"},
        {"allow": True, "type": "c", "major": 4, "minor": 64, "access": "rw"},
    ]
    with pytest.raises(ResolveError, match="/dev/mem"):
        config(dataclasses.replace(container(plan, "xvfb"), devices=("/dev/mem",)), plan)


def test_of_the_terminals_it_has_its_own(plan: Plan) -> None:
    made = config(dataclasses.replace(container(plan, "xvfb"), devices=("/dev/tty7",)), plan)
    assert {path: m["source"] for path, m in mounts(made).items() if "tty" in path} == dict.fromkeys(
        ("/dev/tty7", "/dev/tty0"), "/dev/tty7"
    )
    assert made["linux"]["resources"]["devices"][1:] == [{"allow": True, "type": "c", "major": 4, "minor": 7, "access": "rw"}]
    for other in ("/dev/tty0", "/dev/tty", "/dev/ttyS1", "/dev/tty7/x"):
        with pytest.raises(ResolveError, match=other):
            config(dataclasses.replace(container(plan, "xvfb"), devices=(other,)), plan)


def test_a_folder_of_a_host_is_refused(plan: Plan) -> None:
    shared = dataclasses.replace(container(plan, "xfce"), mounts=(Mount("/srv", "/home/user/Documents", read_only=False),))
    with pytest.raises(ResolveError, match="folder of a host"):
        config(shared, plan)


def test_who_keeps_the_data_reads_volumes_as_they_lie_in_a_snapshot_and_writes_one_folder(plan: Plan) -> None:
    c = dataclasses.replace(container(plan, "web"), custody=("modulux.xfce.xfce.home", "modulux.xfce.share.Documents"))
    found = {target: m for target, m in mounts(config(c, plan)).items() if target.startswith("/keep")}
    assert found["/keep/desktops/xfce/volumes/xfce.home"]["source"] == "/state/volumes/modulux.xfce.xfce.home"
    assert found["/keep/desktops/xfce/volumes/share.Documents"]["source"] == "/state/volumes/modulux.xfce.share.Documents"
    assert {target for target, m in found.items() if "ro" not in m["options"]} == {
        "/keep/staging",
        "/keep/desktops/xfce/desktop",
    }
    assert found["/keep/desktops/xfce/desktop"]["type"] == "tmpfs"
    assert not any(target.startswith("/keep") for target in mounts(config(container(plan, "web"), plan)))
