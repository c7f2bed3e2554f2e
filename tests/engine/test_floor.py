"""The security floor, asserted inside every module and from outside."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from tests.support.cli import Cli
from tests.support.native import run_words

pytestmark = pytest.mark.engine


def modules(cli: Cli, desktop: str) -> list[str]:
    return [r["container"].rpartition(".")[2] for r in cli.json("ps", desktop)]


def test_inside_every_module(cli: Cli, xfce: str) -> None:
    for module in modules(cli, xfce):
        assert cli.run("exec", xfce, module, "--", "/usr/lib/modulux/floor").stdout == ""


def test_the_floor_can_fail(cli: Cli, xfce: str) -> None:
    """A container without the flags: the same script must find what is missing."""
    image = next(r["image"] for r in cli.json("ps", xfce) if r["role"] == "app")
    out = cli.native(
        "run", "--rm", *run_words(cli.engine or ""), "--user", "0", "--entrypoint", "/usr/lib/modulux/floor", image, check=False
    )
    for missed in ("not as 1000:1000", "capabilities", "gain privileges", "written to", "not limited", "/tmp is no tmpfs"):
        assert missed in out


def test_from_outside(cli: Cli, xfce: str) -> None:
    for module in modules(cli, xfce):
        item = json.loads(cli.native("inspect", f"modulux.{xfce}.{module}"))[0]
        host = item["HostConfig"]
        assert host["ReadonlyRootfs"] is True
        assert host["Privileged"] is False
        assert not host.get("CapAdd")
        assert host["NetworkMode"] != "host"
        assert host["Memory"] > 0
        assert host["PidsLimit"] > 0
        assert not any("docker.sock" in m["Source"] or "podman.sock" in m["Source"] for m in item["Mounts"])
        assert {m["Type"] for m in item["Mounts"]} <= {"volume", "tmpfs"}
        assert Path(f"/proc/{item['State']['Pid']}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()


def test_only_the_gateway_has_a_network(cli: Cli, xfce: str) -> None:
    for module in modules(cli, xfce):
        links = {line.split(":")[0].strip() for line in cli.inside(xfce, module, "cat /proc/net/dev").splitlines()[2:]}
        assert (links > {"lo"}) == (module == "web"), f"{module}: {links}"


def test_the_cookie_is_needed(cli: Cli, xfce: str) -> None:
    assert "_NET" in cli.inside(xfce, "xfce", "xprop -root _NET_SUPPORTED")
    refused = cli.run("exec", xfce, "xfce", "--", "env", "XAUTHORITY=/dev/null", "xprop", "-root", status=None)
    assert refused.returncode != 0
    assert cli.inside(xfce, "xvfb", "stat -c %a /tmp/.X11-unix/authority").strip() == "600"


def test_shared_memory_is_ours_alone(cli: Cli, xfce: str) -> None:
    table = [line.split() for line in cli.inside(xfce, "xvfb", "cat /proc/sysvipc/shm").splitlines()]
    head, rows = table[0], table[1:]
    assert rows, "no MIT-SHM segments: who joined the display should be using them"
    assert {row[head.index("perms")][-3:] for row in rows} == {"600"}
    assert {row[head.index("uid")] for row in rows} == {"1000"}


def test_no_setuid_files(cli: Cli, xfce: str) -> None:
    for module in modules(cli, xfce):
        assert cli.inside(xfce, module, "find / -xdev -type f -perm /6000 2>/dev/null", status=None) == ""


def test_desktops_cannot_reach_each_other(cli: Cli, xfce: str, desktop_file: object) -> None:
    assert callable(desktop_file)
    cli.run("up", str(desktop_file("t-other")), "--yes")
    sources = {
        d: {
            m["Name"]
            for r in cli.json("ps", d)
            for m in json.loads(cli.native("inspect", r["container"]))[0]["Mounts"]
            if m.get("Name")
        }
        for d in (xfce, "t-other")
    }
    assert sources[xfce].isdisjoint(sources["t-other"])
    ipc = {
        d: Path(f"/proc/{json.loads(cli.native('inspect', f'modulux.{d}.xvfb'))[0]['State']['Pid']}/ns/ipc").readlink()
        for d in (xfce, "t-other")
    }
    assert ipc[xfce] != ipc["t-other"]
    address = json.loads(cli.native("inspect", f"modulux.{xfce}.web"))[0]["NetworkSettings"]["Networks"]
    ip = next(iter(address.values()))["IPAddress"]
    assert cli.run("exec", "t-other", "web", "--", "nc", "-z", "-w", "2", ip, "6080", status=None).returncode != 0


def test_rfb_never_without_authentication(cli: Cli, xfce: str) -> None:
    host, _, port = cli.json("open", xfce)["vnc_address"].rpartition(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        stream = connection.makefile("rwb", buffering=0)
        assert stream.read(12).startswith(b"RFB 003.")
        stream.write(b"RFB 003.008\n")
        kinds = stream.read(stream.read(1)[0])
    assert kinds
    assert 1 not in kinds
