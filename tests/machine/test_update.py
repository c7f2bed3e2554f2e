"""One module of a machine that runs, to another one and back, without a new start; what it does to the picture is seen on the card."""

from __future__ import annotations

import filecmp
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.cli import Cli
from tests.support.virtual import PATIENCE, Virtual, booted
from tests.support.waiting import wait_for

from modulux.machine.build import KERNEL, START, STORE, SYSTEM
from modulux.machine.places import disks_folder
from modulux.paths import shipped

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(7200)]

NAME = "t-update"
FILE = "name: {name}\ninit: {init}\ndesktops: [./desk.yaml]\nstate: 512m\n"
DESK = "name: t-desk\ndisplay: xvfb\nsessions: [openbox]\napps: [terminal]\n"
SESSION = "modulux.t-desk.openbox"
DISPLAY = "modulux.t-desk.xorg"
EROFS = bytes.fromhex("e2e1f5e0")
WALLPAPER = (640, 760)
"""A place of the picture that no window covers."""

CHANGES = {
    "red": ("hsetroot -cover /usr/share/backgrounds/modulux.svg", "hsetroot -add '#ff0000' -add '#a00000' -gradient 90"),
    "broken": ("tint2 -c", "sleep infinity; tint2 -c"),
}
"""Folders of modules: what in the session's script is something else. The broken one never shows its panel."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine, and folders of modules whose session paints another wallpaper, or has no panel."""
    made = tmp_path_factory.mktemp("machine")
    (made / "desk.yaml").write_text(DESK)
    for name, (before, after) in CHANGES.items():
        module = made / name / "session/openbox"
        shutil.copytree(shipped("modules") / "session/openbox", module)
        script = module / "rootfs/usr/lib/modulux/openbox"
        assert before in script.read_text()
        script.write_text(script.read_text().replace(before, after))
    return made


@pytest.fixture(params=["engine", "systemd"])
def name(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The machine's, whose file lies in the folder, with that init."""
    called = NAME if request.param == "engine" else f"{NAME}-{request.param}"
    (folder / f"{called}.yaml").write_text(FILE.format(name=called, init=request.param))
    shutil.rmtree(disks_folder(called), ignore_errors=True)
    yield called
    shutil.rmtree(disks_folder(called), ignore_errors=True)


def red(machine: Virtual, folder: Path) -> bool:
    colour = machine.picture(folder / "screen.png").getpixel(WALLPAPER)
    assert isinstance(colour, tuple)
    return bool(colour[0] > 140 and colour[1] < 20 and colour[2] < 20)


def turns(machine: Virtual, folder: Path, is_red: bool) -> None:
    """A session is ready when its panel is there and there is a wallpaper, be it still the former one's."""
    wait_for(lambda: red(machine, folder) is is_red, f"the wallpaper is {'' if is_red else 'not '}red", PATIENCE)


def update(cli: Cli, name: str, folder: Path, kind: str, *words: str, status: int = 0) -> dict[str, object]:
    own = ["--modules", str(folder / kind), "--yes", "--json"]
    done = cli.run(
        "machine", "update", name, "session/openbox", str(folder / f"{name}.yaml"), *own, *words, status=status, timeout=2400
    )
    return dict(json.loads(done.stdout)) if done.stdout else {"said": done.stderr}


def updated(cli: Cli, name: str) -> dict[str, str]:
    rows = json.loads(cli.run("machine", "list", name, "--json").stdout)
    return {row["container"]: row["update"] for row in rows}


def starts(machine: Virtual) -> dict[str, int]:
    return {(words := line.split("\t"))[0]: int(words[3]) for line in machine.ask("status") if line.count("\t") == 4}


def ready(machine: Virtual) -> bool:
    return all(line.split("\t")[2] == "ready" for line in machine.ask("status") if line.count("\t") == 4)


def spoil(disk: Path) -> None:
    """A bit in the midst of many blocks of every layer of an update, as a disk that grows old may have it."""
    size = int(re.findall(r"Block size: *(\d+)", debug(disk, "stats -h"))[0])
    with disk.open("r+b") as file:
        for name in re.findall(r"\b[0-9a-f]{64}\b", debug(disk, "ls -p /updates/files")):
            blocks = [int(word) for word in debug(disk, f"blocks /updates/files/{name}").split()]
            file.seek(blocks[1024 // size] * size + 1024 % size)
            if file.read(len(EROFS)) != EROFS:
                continue
            for block in blocks[len(blocks) // 4 : 3 * len(blocks) // 4]:
                file.seek(block * size + 100)
                byte = file.read(1)[0]
                file.seek(block * size + 100)
                file.write(bytes([byte ^ 1]))


def debug(disk: Path, request: str) -> str:
    return subprocess.run(["debugfs", "-R", request, disk], check=True, capture_output=True, text=True).stdout


def builds_the_same(cli: Cli, machine: Virtual, folder: Path) -> None:
    """The file that describes the machine, asked of itself, gives it again, to the byte."""
    name = machine.name
    file, again = folder / name / "machine.yaml", folder / name / "built"
    file.parent.mkdir()
    cli.run("machine", "describe", name, "-o", str(file))
    done = json.loads(cli.run("machine", "build", str(file), "-o", str(again), "--yes", "--json", timeout=2400).stdout)
    assert done["same"] is True
    for part in (KERNEL, START, SYSTEM, STORE):
        assert filecmp.cmp(again / part, machine.running.machine.built / part, shallow=False), part


def test_a_module_is_updated_and_taken_back_while_the_machine_runs(name: str, folder: Path) -> None:
    cli = Cli("podman")
    with booted(cli, folder / f"{name}.yaml", name) as machine:
        turns(machine, folder, False)
        builds_the_same(cli, machine, folder)
        told = update(cli, name, folder, "red", "--dry-run")
        assert told["kept"] is False
        assert told["again"] == ["modulux.t-desk.terminal"]
        assert int(str(told["sent"])) > 0
        assert starts(machine)[SESSION] == 1
        before = starts(machine)

        update(cli, name, folder, "red")
        turns(machine, folder, True)
        after = starts(machine)
        assert {name for name in after if after[name] != before[name]} == {SESSION, "modulux.t-desk.terminal"}
        assert updated(cli, name)[SESSION] == "kept"
        wait_for(lambda: ready(machine), "all are ready again")

        cli.run("machine", "rollback", name, "session/openbox", "--yes", timeout=PATIENCE)
        turns(machine, folder, False)
        assert updated(cli, name)[SESSION] == "shipped"

        said = update(cli, name, folder, "broken", status=8)["said"]
        assert "did not get ready" in str(said)
        assert updated(cli, name)[SESSION] == "failed"
        turns(machine, folder, False)
        assert "is not ready in its time: the former one is taken" in machine.serial()

        update(cli, name, folder, "red")
        turns(machine, folder, True)
        assert starts(machine)[DISPLAY] == 1
    with booted(cli, folder / f"{name}.yaml", name) as machine:
        assert f"{SESSION} is started as its update has it" in machine.serial()
        turns(machine, folder, True)
    spoil(disks_folder(name) / "state.img")
    with booted(cli, folder / f"{name}.yaml", name) as machine:
        wait_for(lambda: not red(machine, folder) and ready(machine), "the system's own session is back", PATIENCE)
        assert updated(cli, name)[SESSION] == "back"
        assert re.search(r"DAMAGED: the layer [0-9a-f]{64} of an update", machine.serial())
        assert "is damaged: until the next start the system's own is taken" in machine.serial()
