"""What PID 1 does with a state that is to be on another disk: the whole of it, or none; and which disk it then takes."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.pid1 import World

MIB = 1024**2
VOLUME = "volume /state/volumes/home one /nowhere"
LETTER = b"dear" * 300_000


def do(*argv: str | Path) -> str:
    return subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def bigger(tmp_path: Path, disk: Path) -> Iterator[Path]:
    """A second disk of 160 MB; `disk` is the first."""
    del disk
    image = tmp_path / "bigger.img"
    with image.open("wb") as file:
        file.truncate(160 * MIB)
    node = do("losetup", "--find", "--show", image).strip()
    yield Path(node)
    subprocess.run(["losetup", "--detach", node], check=False)


@pytest.fixture
def third(tmp_path: Path, bigger: Path) -> Iterator[Path]:
    """A third one of 200 MB."""
    del bigger
    with (tmp_path / "third.img").open("wb") as file:
        file.truncate(200 * MIB)
    node = do("losetup", "--find", "--show", tmp_path / "third.img").strip()
    yield Path(node)
    subprocess.run(["losetup", "--detach", node], check=False)


def shown(here: World, disks: dict[str, Path]) -> None:
    """What the kernel would tell of these disks: serial and name."""
    for serial, node in disks.items():
        folder = here.folder / "sys/class/block" / node.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "serial").write_text(f"{serial}\n")


def start(here: World, state: Path, *disks: Path) -> list[str]:
    """What it says until its container is started."""
    here.node = " ".join(d.name for d in disks)
    here.words = f"modulux.store=none modulux.state={state}"
    here.plan("version v1", VOLUME, "run one always")
    (here.folder / "console").touch()
    said = len(here.console())
    here.start()
    here.wait(lambda: "started one" in here.console()[said:], 60)
    return here.console()[said:]


def mine(here: World) -> Path:
    return here.inside / "state/volumes/home"


def mounted(here: World) -> str:
    lines = (here.inside / "proc/self/mounts").read_text().splitlines()
    return next(line.split()[0] for line in lines if line.split()[1].endswith("/state"))


def lies_on(here: World) -> str:
    return here.ask("disks")[0].split("\t")[1]


def wanted(here: World, disk: Path, bigger: Path, how: str = "blank", size: int = 160 * MIB) -> None:
    """A machine that has been used, off, with the wish to be moved."""
    shown(here, {"SMALL": disk, "LARGE": bigger})
    start(here, disk, disk, bigger)
    (mine(here) / "letter").write_bytes(LETTER)
    with (mine(here) / "holes").open("wb") as file:
        file.truncate(8 * MIB)
    (mine(here) / "again").hardlink_to(mine(here) / "letter")
    assert here.ask("move", bigger.name, "LARGE", str(size), how) == ["ok"]
    here.power_off()


def is_whole(here: World) -> None:
    assert (mine(here) / "letter").read_bytes() == LETTER
    assert (mine(here) / "again").stat().st_nlink == 2
    assert (mine(here) / "holes").stat().st_blocks == 0


def test_the_state_is_moved_whole_grows_and_the_old_disk_can_go(here: World, disk: Path, bigger: Path) -> None:
    wanted(here, disk, bigger)
    said = start(here, disk, disk, bigger)
    assert any("it is moved from" in line for line in said)
    assert any(f"it lies on {bigger} now" in line for line in said), said
    assert here.status()["machine"][2] == "kept"
    assert lies_on(here) == bigger.name
    is_whole(here)
    (mine(here) / "later").write_text("of the new one")
    assert f"old\t{disk.name}" in here.ask("disks")
    here.power_off()
    assert not do("e2fsck", "-fn", bigger).count("FIXED")
    said = start(here, disk, disk, bigger)  # found from the old one, at once
    assert not any("moved" in line for line in said), said
    assert (mine(here) / "later").read_text() == "of the new one"
    assert here.ask("forget") == ["ok"]
    assert f"old\t{disk.name}" not in here.ask("disks")
    here.power_off()
    assert "letter" not in do("debugfs", "-R", "ls /volumes/home", disk)
    start(here, disk, disk, bigger)
    is_whole(here)
    here.power_off()
    start(here, bigger, bigger)  # alone
    is_whole(here)
    assert (mine(here) / "later").exists()
    here.power_off()


def test_after_it_a_disk_that_is_not_there_is_no_reason_to_take_the_old_one(here: World, disk: Path, bigger: Path) -> None:
    wanted(here, disk, bigger)
    start(here, disk, disk, bigger)
    here.power_off()
    said = start(here, disk, disk)
    assert any("moved to a disk that is not there" in line and "NOTHING WILL BE KEPT" in line for line in said)
    assert not (mine(here) / "letter").exists()
    here.power_off()
    start(here, disk, disk, bigger)
    is_whole(here)
    here.power_off()


def test_one_of_a_newer_system_is_not_touched_on_the_disk_that_it_was_moved_to(
    here: World, disk: Path, bigger: Path, tmp_path: Path
) -> None:
    wanted(here, disk, bigger)
    start(here, disk, disk, bigger)
    here.power_off()
    (tmp_path / "mark").write_text("modulux 2\n")
    for command in ("rm /.modulux", f"write {tmp_path / 'mark'} .modulux", "feature needs_recovery"):
        do("debugfs", "-w", "-R", command, bigger)
    do("sync")
    before = bigger.read_bytes()
    said = start(here, disk, disk, bigger)
    assert any(f"{bigger}: it belongs to a newer system" in line and "NOTHING WILL BE KEPT" in line for line in said), said
    assert here.status()["machine"][2] == "memory"
    here.power_off()
    assert bigger.read_bytes() == before


def test_outgrown_again_it_is_moved_once_more(here: World, disk: Path, bigger: Path, third: Path) -> None:
    wanted(here, disk, bigger)
    shown(here, {"THIRD": third})
    start(here, disk, disk, bigger, third)
    assert here.ask("move", third.name, "THIRD", str(200 * MIB), "blank") == ["ok"]
    here.power_off()
    said = start(here, disk, disk, bigger, third)
    assert any(f"it is moved from {bigger} to {third}" in line for line in said), said
    assert lies_on(here) == third.name
    is_whole(here)
    here.power_off()
    start(here, disk, disk, bigger, third)  # three disks with one number
    assert lies_on(here) == third.name
    here.power_off()


def test_it_goes_back_to_what_it_was_and_the_disk_that_it_left_is_never_taken_for_it(
    here: World, disk: Path, bigger: Path, third: Path
) -> None:
    wanted(here, disk, bigger)
    start(here, disk, disk, bigger)
    (mine(here) / "later").write_text("of the new one")
    assert here.ask("back") == ["ok"]
    assert f"wanted\t{disk.name}\tback" in here.ask("disks")
    assert here.ask("back")[-1].startswith("error it goes back already")
    assert here.ask("forget")[-1].startswith("error the state goes back there")
    assert here.ask("move", bigger.name, "LARGE", str(160 * MIB), "erase")[-1].startswith("error it goes back")
    here.power_off()
    said = start(here, disk, disk, bigger)
    assert any("it is what it was" in line for line in said), said
    assert lies_on(here) == disk.name
    is_whole(here)
    assert not (mine(here) / "later").exists()
    assert not [line for line in here.ask("disks") if line.startswith(("wanted", "old"))]
    shown(here, {"THIRD": third})
    assert here.ask("move", third.name, "THIRD", str(200 * MIB), "blank") == ["ok"]
    here.power_off()
    start(here, disk, disk, bigger, third)
    here.power_off()
    start(here, disk, disk, bigger, third)  # three disks with one number, and one of them was left
    assert lies_on(here) == third.name
    assert not (mine(here) / "later").exists()
    here.power_off()
    start(here, disk, disk, bigger)
    assert here.status()["machine"][2] == "memory", "what was left is nothing to go on with"


def test_that_it_goes_back_can_be_taken_back(here: World, disk: Path, bigger: Path) -> None:
    wanted(here, disk, bigger)
    start(here, disk, disk, bigger)
    (mine(here) / "later").write_text("of the new one")
    assert here.ask("back") == ["ok"]
    assert here.ask("stay") == ["ok"]
    assert not [line for line in here.ask("disks") if line.startswith("wanted")]
    here.power_off()
    start(here, disk, disk, bigger)
    assert lies_on(here) == bigger.name
    assert (mine(here) / "later").exists()
    assert here.ask("forget") == ["ok"]
    assert here.ask("back")[-1] == "error the old state was forgotten"
    assert here.ask("stay") == ["ok"]


def test_what_was_forgotten_in_part_is_forgotten_for_good_and_not_gone_back_to(
    here: World, disk: Path, bigger: Path, tmp_path: Path
) -> None:
    wanted(here, disk, bigger)
    start(here, disk, disk, bigger)
    here.power_off()
    (tmp_path / "begun").write_text("begun\n")
    do("debugfs", "-w", "-R", f"write {tmp_path / 'begun'} /move/forgotten", disk)
    start(here, disk, disk, bigger)
    assert f"old\t{disk.name}" in here.ask("disks")
    assert here.ask("back")[-1] == "error the old state was forgotten in part"
    assert here.ask("forget") == ["ok"]
    assert f"old\t{disk.name}" not in here.ask("disks")
    here.power_off()
    assert "letter" not in do("debugfs", "-R", "ls /volumes/home", disk)


def refused(here: World, disk: Path, bigger: Path, why: str) -> None:
    said = start(here, disk, disk, bigger)
    assert any("STAYS WHERE IT IS" in line and why in line for line in said), said
    assert lies_on(here) == disk.name
    is_whole(here)
    assert any(line.startswith("refused\t") and why in line for line in here.ask("disks"))
    here.power_off()
    assert not any("STAYS" in line for line in start(here, disk, disk, bigger))
    here.power_off()


@pytest.mark.parametrize("at", [0, 600_000, 160 * MIB - 512])
def test_what_holds_something_is_left_alone(here: World, disk: Path, bigger: Path, at: int) -> None:
    wanted(here, disk, bigger)
    with bigger.open("r+b") as file:
        file.seek(at)
        file.write(b"my notes")
    before = bigger.read_bytes()
    refused(here, disk, bigger, "holds something")
    assert bigger.read_bytes() == before


def test_unless_it_was_said_that_it_is_erased(here: World, disk: Path, bigger: Path) -> None:
    do("mke2fs", "-q", "-t", "ext4", bigger)
    wanted(here, disk, bigger, "erase")
    start(here, disk, disk, bigger)
    assert lies_on(here) == bigger.name
    is_whole(here)
    here.power_off()
    do("e2fsck", "-fn", bigger)


def test_a_disk_of_another_size_or_number_is_another_disk(here: World, disk: Path, bigger: Path) -> None:
    wanted(here, disk, bigger, size=161 * MIB)
    refused(here, disk, bigger, "is not there")


def test_one_that_is_too_small_is_refused(here: World, disk: Path, bigger: Path, tmp_path: Path) -> None:
    with (tmp_path / "bigger.img").open("r+b") as file:
        file.truncate(40 * MIB)
    do("losetup", "--set-capacity", bigger)
    wanted(here, disk, bigger, size=40 * MIB)
    refused(here, disk, bigger, "too small")


def test_the_power_goes_at_any_moment(here: World, disk: Path, bigger: Path) -> None:
    """Killed later and later, until it gets through; each start has everything, and at its end there is one state."""
    wanted(here, disk, bigger)
    for tries in range(1, 40):
        here.node = f"{disk.name} {bigger.name}"
        here.start()
        with contextlib.suppress(AssertionError):
            here.wait(lambda: (here.folder / "console").read_text().count("it lies on") > 0, 0.04 * tries)
        here.kill()
        if any("it lies on" in line for line in here.console()):
            break
    assert any("it is begun again" in line for line in here.console())
    start(here, disk, disk, bigger)
    assert lies_on(here) == bigger.name
    is_whole(here)
    here.power_off()
    do("e2fsck", "-fn", bigger)
