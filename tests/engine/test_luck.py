"""Bad luck: modules that die, names that are taken, kills and interrupts at any moment."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.cli import Cli
from tests.support.waiting import wait_for

pytestmark = pytest.mark.engine

DesktopFile = Callable[..., Path]
OwnModules = Callable[..., Path]

FAILING = (
    'command: [sh, -c, "echo the reason is written here; exit 3"]\nrequires: [x11]\nready: {timeout: 20s}\nrestart: always\n'
)
SLOW = 'command: [sleep, "1000"]\nrequires: [x11]\nready: {command: ["false"], timeout: 2s}\n'


@pytest.mark.parametrize(
    ("contract", "says"), [(FAILING + "ready: {command: ['false']}\n", "exited with 3"), (SLOW, "not in time")]
)
def test_a_module_that_does_not_get_ready(
    cli: Cli, desktop_file: DesktopFile, own_modules: OwnModules, contract: str, says: str
) -> None:
    contract = contract.replace("ready: {timeout: 20s}\n", "") if says == "exited with 3" else contract
    modules = own_modules("failing", contract)
    file = desktop_file("t-fails", apps="[failing]")
    done = cli.run("up", str(file), "--modules", str(modules), "--yes", status=8)
    assert "app/failing is not ready" in done.stderr
    assert says in done.stderr
    if says == "exited with 3":
        assert "the reason is written here" in done.stderr
    assert cli.left("t-fails") == []


def test_keep_leaves_it_to_look_at(cli: Cli, desktop_file: DesktopFile, own_modules: OwnModules) -> None:
    modules = own_modules("failing", SLOW)
    file = desktop_file("t-keep", apps="[failing]")
    cli.run("up", str(file), "--modules", str(modules), "--yes", "--keep", status=8)
    assert {r["module"] for r in cli.json("ps", "t-keep")} >= {"app/failing", "display/xvfb"}


def test_a_failing_change_leaves_the_rest_running(cli: Cli, desktop_file: DesktopFile, own_modules: OwnModules) -> None:
    file = desktop_file("t-rest")
    cli.run("up", str(file), "--yes")
    before = {r["container"]: r["started"] for r in cli.json("ps", "t-rest")}
    file.write_text(file.read_text() + "apps: [failing]\n")
    cli.run("up", str(file), "--modules", str(own_modules("failing", SLOW)), "--yes", status=8)
    assert {r["container"]: r["started"] for r in cli.json("ps", "t-rest")} == before


@pytest.mark.parametrize("kind", ["container", "volume", "network"])
def test_what_is_not_ours_is_never_touched(cli: Cli, desktop_file: DesktopFile, kind: str) -> None:
    name = {
        "container": "modulux.t-taken.xvfb",
        "volume": "modulux.t-taken.openbox.home",
        "network": "modulux.t-taken.internet",
    }[kind]
    image = cli.json("plan", "openbox")["images"][0]["reference"]
    cli.native(*{"container": ["create", "--name", name, image, "true"]}.get(kind, [kind, "create", name]))
    try:
        file = desktop_file("t-taken")
        done = cli.run("up", str(file), "--yes", status=10)
        assert f"the name {name} is taken" in done.stderr
        cli.run("down", "t-taken", "--volumes", "--yes", status=9)
        assert name in cli.left("t-taken")
    finally:
        cli.native(*{"container": ["rm", name]}.get(kind, [kind, "rm", name]))


@pytest.mark.parametrize("delay", [0.3, 0.7, 1.1, 1.6, 2.5])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_ended_while_coming_up(cli: Cli, desktop_file: DesktopFile, delay: float, how: signal.Signals) -> None:
    file = desktop_file("t-killed")
    process = cli.start("up", str(file), "--yes")
    time.sleep(delay)
    process.send_signal(how)
    process.communicate(timeout=60)
    if how is signal.SIGINT and process.returncode == 130:
        assert cli.left("t-killed") == []
    cli.run("up", str(file), "--yes")
    assert {r["status"] for r in cli.json("ps", "t-killed")} == {"running"}


@pytest.mark.parametrize("made", ["network create", "volume create", "run --detach"])
def test_interrupted_while_something_is_made(cli: Cli, desktop_file: DesktopFile, made: str) -> None:
    """Docker's daemon goes on with it when its client has gone: `up` must not have cleaned up before that."""
    file = desktop_file("t-made")
    for delay in (0.0, 0.05):
        process = cli.start("up", str(file), "--yes")
        wait_for(lambda: made in under_way(process.pid), made, pause=0.005)  # noqa: B023  called within the round
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 130
        time.sleep(1)
        assert cli.left("t-made") == []


def under_way(pid: int) -> str:
    """The command lines of a process's children, one below the other; it looks at no others, to be quick."""
    lines = []
    with contextlib.suppress(OSError):  # one has ended meanwhile
        for of_thread in Path(f"/proc/{pid}/task").glob("*/children"):
            lines += [Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ") for child in of_thread.read_text().split()]
    return "\n".join(lines)


def test_killed_while_going_down(cli: Cli, desktop_file: DesktopFile) -> None:
    file = desktop_file("t-down")
    for delay in (0.3, 0.6, 1.0):
        cli.run("up", str(file), "--yes")
        process = cli.start("down", "t-down")
        time.sleep(delay)
        process.kill()
        process.communicate(timeout=60)
    cli.run("up", str(file), "--yes")
    cli.run("down", "t-down", "--volumes", "--yes")
    assert cli.left("t-down") == []


def working_containers(cli: Cli) -> str:
    words = ["ps", "--all", *(["--external"] if cli.engine == "podman" else []), "--format", "{{.Names}} {{.Image}}"]
    return "\n".join(line for line in cli.native(*words).splitlines() if "working-container localhost/modulux/" in line)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_ended_while_building(cli: Cli, own_modules: OwnModules, tmp_path: Path, how: signal.Signals) -> None:
    modules = own_modules("slowly", 'command: ["true"]\n', "RUN sleep 3\n# " + str(time.time()))
    before = working_containers(cli)
    process = cli.start("build", "app/slowly", "--modules", str(modules), "--yes")
    time.sleep(2)
    process.send_signal(how)
    process.communicate(timeout=60)
    assert process.returncode in (-9, 130)
    rows = cli.json("build", "app/slowly", "--modules", str(modules))
    image = next(r["image"] for r in rows if r["module"] == "app/slowly")
    try:
        assert working_containers(cli) == before
        assert image in cli.native("images", "--format", "{{.Repository}}:{{.Tag}}")
        cache = Path(cli.environment().get("XDG_CACHE_HOME") or Path.home() / ".cache") / "modulux/build"
        assert list(cache.iterdir()) == []
    finally:
        cli.native("rmi", image)


def test_a_build_that_fails(cli: Cli, own_modules: OwnModules) -> None:
    modules = own_modules("broken", 'command: ["true"]\n', "USER 0\nRUN echo some last words && exit 5")
    before = working_containers(cli), cli.native("images", "--format", "{{.Repository}}:{{.Tag}}")
    done = cli.run("build", "app/broken", "--modules", str(modules), "--yes", status=7)
    assert "app/broken" in done.stderr
    assert "some last words" in done.stderr
    assert (working_containers(cli), cli.native("images", "--format", "{{.Repository}}:{{.Tag}}")) == before


def test_a_full_disk(cli: Cli, tmp_path: Path, own_modules: OwnModules) -> None:
    """A disk of 40 MB, in a mount namespace of the test's own, for all that a build writes."""
    if cli.engine != "podman":
        pytest.skip("the disk that fills is Modulux's own, the same for both engines")
    folder = tmp_path / "modules/base/large"
    folder.mkdir(parents=True)
    (folder / "module.yaml").write_text("role: base\nsummary: large\nbootstrap: {suite: trixie}\n")
    (folder / "Containerfile").write_text("FROM scratch\nADD root.tar /\n")
    cache = tmp_path / "cache"
    cache.mkdir()
    small = Cli(cli.engine, {**cli.env, "XDG_CACHE_HOME": str(cache)})
    before = cli.native("images", "--format", "{{.Repository}}:{{.Tag}}")
    words = small.argv("build", "base/large", "--modules", str(tmp_path / "modules"), "--yes")
    script = 'mount -t tmpfs -o size=40m small "$0" && "$@"; status=$?; ls -A "$0/modulux/build"; exit $status'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, str(cache), *words],
        env=small.environment(), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 7, done.stderr
    assert "disk is full" in done.stderr
    assert done.stdout.strip() == ""
    assert cli.native("images", "--format", "{{.Repository}}:{{.Tag}}") == before


def test_a_taken_port(cli: Cli, desktop_file: DesktopFile) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file = desktop_file("t-port", gateway=f"{{module: web, port: {port}}}")
        done = cli.run("up", str(file), "--yes", status=5)
    assert str(port) in done.stderr
    assert cli.left("t-port") == []


def test_down_volumes_asks(cli: Cli, desktop_file: DesktopFile) -> None:
    file = desktop_file("t-data")
    cli.run("up", str(file), "--yes")
    cli.inside("t-data", "openbox", "echo kept > ~/Documents/file; echo kept > ~/.file")
    assert "Nobody is there to ask" in cli.run("down", "t-data", "--volumes", status=12).stderr
    cli.run("down", "t-data")
    assert set(cli.left("t-data")) == {f"modulux.t-data.{part}" for part in ("openbox.home", "share.Documents", "record")}
    cli.run("up", "t-data", "--yes")  # what it was made from is on record
    assert cli.inside("t-data", "openbox", "cat ~/Documents/file ~/.file") == "kept\nkept\n"


def test_what_a_killed_run_left_in_the_storage(cli: Cli, desktop_file: DesktopFile) -> None:
    """A name and a root file system without a container: as `podman run` leaves it when it is killed at once."""
    if cli.engine != "podman":
        pytest.skip("Docker's daemon does this itself")
    file = desktop_file("t-storage")
    cli.run("up", str(file), "--yes")
    image = next(r["image"] for r in cli.json("ps", "t-storage") if r["module"] == "session/openbox")
    cli.run("down", "t-storage")
    name = "modulux.t-storage.openbox"
    for delay in [0.04 + 0.005 * step for step in range(14)] * 5:
        process = subprocess.Popen(
            ["podman", "create", "--pull", "never", "--name", name, image], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(delay)
        process.kill()
        process.wait()
        external = cli.native("ps", "--all", "--external", "--format", "{{.Names}} {{.Status}}")
        if f"{name} Storage" in external:
            break
        cli.native("rm", "--force", "--ignore", name)
    else:
        pytest.skip("no kill left anything in the storage this time")
    cli.run("up", str(file), "--yes")
