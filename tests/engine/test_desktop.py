"""A desktop that runs: what is there, what it looks like, what can be asked of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from tests.support.cli import Cli
from tests.support.waiting import wait_for

from modulux.desktop.ready import picture
from modulux.engine.choose import choose

pytestmark = pytest.mark.engine


def pids(cli: Cli, desktop: str, module: str, process: str) -> str:
    return cli.inside(desktop, module, f"grep -lx {process} /proc/[0-9]*/comm")


def test_each_part_is_a_container_of_its_own(cli: Cli, xfce: str) -> None:
    rows = cli.json("ps", xfce)
    roles = {row["role"]: row["container"] for row in rows}
    assert {"display", "viewer", "session", "gateway", "app"} <= set(roles)
    assert len(set(roles.values())) == len(roles)
    assert {row["status"] for row in rows} == {"running"}
    assert {row["phase"] for row in rows} == {"running"}


def test_the_picture_has_panel_and_icons(cli: Cli, xfce: str, tmp_path: Path) -> None:
    shot = tmp_path / "shot.png"
    said = cli.json("screenshot", xfce, "-o", str(shot))
    with Image.open(shot) as shown:
        assert shown.size == (said["width"], said["height"]) == (1280, 800)
        rgb = shown.convert("RGB")
        panel = rgb.crop((0, 0, 1280, 28)).getcolors(1 << 20) or []
        icons = rgb.crop((0, 36, 120, 300)).getcolors(1 << 20) or []
    assert len(panel) > 16
    assert len(icons) > 24


def test_who_looked_at_the_picture_leaves_nothing_behind(cli: Cli, xfce: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in cli.env.items():  # the engine is asked from here too
        monkeypatch.setenv(key, value)
    engine = choose(cli.engine, runtime=None, ulimits={})
    socket = cli.inside(xfce, "x11vnc", "echo /run/modulux/rfb/*").strip()
    for _ in range(40):
        with picture(engine, f"modulux.{xfce}.x11vnc", socket) as client:
            client.request(incremental=False)
    wait_for(lambda: not cli.inside(xfce, "x11vnc", "grep -lx nc /proc/[0-9]*/comm || true"), "no nc is left", 5)


def test_up_again_changes_nothing(cli: Cli, xfce: str, xfce_file: Path) -> None:
    before = {r["container"]: r["started"] for r in cli.json("ps", xfce)}
    again = cli.json("up", str(xfce_file))
    assert (again["started"], again["removed"]) == ([], [])
    assert again["browser"].startswith("http://127.0.0.1:")
    assert {r["container"]: r["started"] for r in cli.json("ps", xfce)} == before


def test_up_changes_only_what_differs(cli: Cli, xfce: str, xfce_file: Path) -> None:
    terminal = pids(cli, xfce, "terminal", "xfce4-terminal")
    xfce_file.write_text(xfce_file.read_text() + "viewer: {module: x11vnc, wait: 7}\n")
    said = cli.json("up", str(xfce_file))
    assert said["started"] == said["removed"] == [f"modulux.{xfce}.x11vnc"]
    assert pids(cli, xfce, "terminal", "xfce4-terminal") == terminal
    xfce_file.write_text(xfce_file.read_text().replace("wait: 7", "wait: 5"))
    cli.run("up", str(xfce_file))


def test_logs_and_exec(cli: Cli, xfce: str) -> None:
    assert cli.inside(xfce, "terminal", "hostname").strip() == xfce
    cli.run("exec", xfce, "terminal", "--", "sh", "-c", "exit 7", status=7)
    lines = cli.json("logs", xfce)
    assert {"module", "line"} == set(lines[0])
    assert cli.run("logs", xfce, "nothing", status=9).stderr.count("has no module `nothing`") == 1


def test_open_gives_fresh_ways_in(cli: Cli, xfce: str) -> None:
    first, second = cli.json("open", xfce), cli.json("open", xfce)
    assert first["browser"] != second["browser"]
    assert first["vnc_password"] != second["vnc_password"]
    assert first["vnc_address"] == second["vnc_address"]


@pytest.mark.parametrize("module", ["x11vnc", "web"])
def test_what_dies_is_started_again_and_apps_live_on(cli: Cli, xfce: str, module: str, tmp_path: Path) -> None:
    terminal = pids(cli, xfce, "terminal", "xfce4-terminal")
    before = next(r for r in cli.json("ps", xfce) if r["container"].endswith(f".{module}"))["restarts"]
    cli.kill(xfce, module)

    def again() -> bool:
        row = next(r for r in cli.json("ps", xfce) if r["container"].endswith(f".{module}"))
        return bool(row["restarts"] == before + 1 and row["phase"] == "running")

    wait_for(again, f"{module} runs again")
    assert f"{before + 1} times" in cli.run("ps", xfce).stdout
    assert pids(cli, xfce, "terminal", "xfce4-terminal") == terminal
    cli.run("screenshot", xfce, "-o", str(tmp_path / "after.png"))


def test_run_adds_an_app_that_up_leaves_alone(cli: Cli, xfce: str, xfce_file: Path) -> None:
    mixed = cli.json("modules", "app")
    old = next(m["module"] for m in mixed if m["base"] == "base/debian-12").partition("/")[2]
    assert cli.json("run", xfce, old, "--yes")["started"]
    assert not cli.json("run", xfce, old)["started"]
    assert cli.inside(xfce, old, "cat /etc/debian_version").startswith("12")
    assert cli.inside(xfce, "terminal", "cat /etc/debian_version").startswith("13")
    windows = cli.inside(xfce, "xfce", "xprop -root _NET_CLIENT_LIST")
    assert windows.count("0x") >= 2
    assert cli.json("up", str(xfce_file))["removed"] == []
    assert {r["module"] for r in cli.json("ps", xfce) if r["added"]} == {f"app/{old}"}


def test_ports_are_on_the_loopback_only(cli: Cli, xfce: str) -> None:
    text = cli.native("inspect", f"modulux.{xfce}.web")
    bindings = json.loads(text)[0]["NetworkSettings"]["Ports"]
    addresses = {b["HostIp"] for bound in bindings.values() if bound for b in bound}
    assert addresses == {"127.0.0.1"}


def test_who_is_not_there(cli: Cli) -> None:
    for verb in (["down"], ["open"], ["logs"], ["run"], ["exec"], ["screenshot"]):
        extra = {"run": ["terminal"], "exec": ["x", "--", "true"], "screenshot": ["-o", "none.png"]}.get(verb[0], [])
        assert "no desktop `t-none`" in cli.run(*verb, "t-none", *extra, status=9).stderr
