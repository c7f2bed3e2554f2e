"""Several sessions in one desktop, and changing one that runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from tests.support.cli import Cli

pytestmark = pytest.mark.engine


def started(cli: Cli, name: str) -> dict[str, float]:
    """When each container was started."""
    return {row["container"].rpartition(".")[2]: row["started"] for row in cli.json("ps", name)}


def processes(cli: Cli, name: str, module: str) -> set[str]:
    return set(cli.inside(name, module, "cat /proc/[0-9]*/comm").split())


@pytest.fixture(scope="module")
def beside(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of two sessions, each on a screen of its own."""
    path = tmp_path_factory.mktemp("beside") / "desktop.yaml"
    path.write_text(
        "name: t-beside\ndisplay: xvfb\nsessions: [xfce, {module: openbox, arrange: separate}]\n"
        "apps: [terminal, {module: terminal, session: openbox}]\n"
    )
    return path


@pytest.fixture(scope="module")
def both(cli: Cli, beside: Path):  # type: ignore[no-untyped-def]
    cli.run("up", str(beside), "--yes")
    yield "t-beside"
    cli.run("down", "t-beside", "--volumes", "--yes")
    assert cli.left("t-beside") == []


def test_each_session_has_a_screen_a_home_and_a_bus(cli: Cli, both: str, tmp_path: Path) -> None:
    pictures = {}
    for screen in ("xfce", "openbox"):
        cli.run("screenshot", both, "--screen", screen, "-o", str(tmp_path / f"{screen}.png"))
        with Image.open(tmp_path / f"{screen}.png") as picture:
            pictures[screen] = picture.convert("RGB").tobytes()
    assert pictures["xfce"] != pictures["openbox"]
    cli.inside(both, "terminal", "touch ~/mine; echo shared > ~/Documents/ours")
    assert "mine" not in cli.inside(both, "terminal-openbox", "ls -a ~")
    assert cli.inside(both, "openbox", "cat ~/Documents/ours").strip() == "shared"
    owners = (
        "dbus-send --bus=$DBUS_SESSION_BUS_ADDRESS --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames"
    )
    assert "org.xfce.Panel" in cli.inside(both, "terminal", owners)
    assert "org.xfce.Panel" not in cli.inside(both, "terminal-openbox", owners)


def test_a_screen_that_is_not_there(cli: Cli, both: str, tmp_path: Path) -> None:
    said = cli.run("screenshot", both, "--screen", "nothing", "-o", str(tmp_path / "n.png"), status=9).stderr
    assert "screens with one: openbox, xfce" in said


def test_a_viewer_more_and_a_viewer_less_and_nothing_else_changes(cli: Cli, both: str) -> None:
    before = started(cli, both)
    shell = cli.inside(both, "terminal", "grep -lx bash /proc/[0-9]*/comm")
    assert set(cli.json("swap", both, "viewer+=x11vnc-view")["started"]) == {"x11vnc-view", "x11vnc-view-openbox"}
    with_more = started(cli, both)
    assert {name: with_more[name] for name in before} == before
    said = cli.json("swap", both, "viewer=x11vnc-view")
    assert set(said["removed"]) == {"x11vnc", "x11vnc-openbox"}
    said = cli.json("swap", both, "viewer=x11vnc")
    assert set(said["started"]) == {"x11vnc", "x11vnc-openbox"}
    after = started(cli, both)
    unchanged = [name for name in before if not name.startswith("x11vnc")]
    assert {name: after[name] for name in unchanged} == {name: before[name] for name in unchanged}
    assert cli.inside(both, "terminal", "grep -lx bash /proc/[0-9]*/comm") == shell


def test_swap_refuses_what_it_cannot_do(cli: Cli, both: str) -> None:
    before = started(cli, both)
    for words, status, says in (
        (["viewer=nothing"], None, "unknown module `viewer/nothing`"),
        (["viewer"], 2, "changes nothing"),
        (["name=other"], 2, "no `name` to change"),
        (["apps-=firefox"], 2, "holds no `firefox`"),
        (["display+=xvfb"], 2, "holds one value"),
        (["screen=9000x9000"], None, "at most 8192"),
        ([], 2, "nothing to change"),
    ):
        done = cli.run("swap", both, *words, status=status)
        assert done.returncode != 0
        assert says in done.stderr, (words, done.stderr)
    assert started(cli, both) == before


def test_apps_come_and_go(cli: Cli, desktop_file: Callable[..., Path]) -> None:
    path = desktop_file("t-apps", apps="[terminal]")
    cli.run("up", str(path), "--yes")
    session = started(cli, "t-apps")["openbox"]
    assert "xfce4-terminal" in processes(cli, "t-apps", "terminal")
    cli.run("stop", "t-apps", "terminal")
    assert "terminal" not in started(cli, "t-apps")
    assert cli.run("stop", "t-apps", "terminal", status=9).stderr.count("has no module `terminal`")
    assert "is no app" in cli.run("stop", "t-apps", "openbox", status=9).stderr
    cli.run("run", "t-apps", "terminal", "--yes")
    cli.run("stop", "t-apps", "terminal")
    assert cli.json("up", str(path))["started"] == ["modulux.t-apps.terminal"]
    assert started(cli, "t-apps")["openbox"] == session


@pytest.mark.matrix
def test_a_pair_is_judged_as_a_person_would(cli: Cli) -> None:
    if cli.engine != "podman":
        pytest.skip("once is enough: what is judged is the desktop, not the engine")
    done = cli.run("matrix", "--display", "xvfb", "--session", "openbox", "--viewer", "x11vnc", "--json", "--yes", timeout=500)
    (outcome,) = json.loads(done.stdout)
    assert outcome["passed"], outcome
    assert [step["what"] for step in outcome["steps"]] == [
        "starts, panel drawn",
        "typed text arrives",
        "menu opens",
        "second window moves",
    ]
    assert cli.left("matrix") == []
