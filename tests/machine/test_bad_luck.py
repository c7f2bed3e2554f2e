"""What a whole machine does when it lacks something, or something in it is broken: it says so on its screen and its serial line, and the rest
of it runs."""

from __future__ import annotations

import platform
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest
from PIL import ImageChops
from tests.support.cli import Cli
from tests.support.damage import flip, in_store, in_system
from tests.support.letters import font, read
from tests.support.odd import hears, odd
from tests.support.virtual import Virtual, colours
from tests.support.waiting import wait_for

from modulux.machine.build import KERNEL, noted
from modulux.machine.disk import beside
from modulux.machine.firmware import variables
from modulux.machine.install import starts
from modulux.machine.qmp import Monitor
from modulux.machine.running import free_port

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(5400)]

NAME, DESKTOP, OTHER = "t-luck", "t-luck", "t-own"
FILE = f"""name: {NAME}
init: INIT
desktops: [./desk.yaml, {{desktop: ./own.yaml, display: own}}]
gateway: {{module: web, address: 0.0.0.0, port: 6080, vnc-port: 5900}}
state: 256m
memory: 768m
"""
DESK = f"name: {DESKTOP}\ndisplay: xvfb\nsessions: [openbox]\napps: [dies, storm]\n"
OWN = f"name: {OTHER}\ndisplay: xvfb\nsessions: [openbox]\n"
DIES = 'command: [sh, -c, "echo nothing to live for; exit 7"]\n'
STORM = 'command: [perl, -e, "for (;;) { fork; select undef, undef, undef, 0.05 }"]\nlimits: {pids: 48, memory: 64m}\n'
STATE = 256 * 1024**2
LITTLE = {"engine": 512 * 1024**2, "systemd": 640 * 1024**2}
MUCH = 768 * 1024**2
LAST = 20
"""Of what PID 1 said: so much is on a screen whatever comes meanwhile."""
LIBRARY = f"/usr/lib/{platform.machine()}-linux-gnu/systemd/libsystemd-core-257.so"


@pytest.fixture(scope="module", params=["engine", "systemd"])
def init(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(init: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("luck")
    for name, more in (("dies", DIES), ("storm", STORM)):
        place = made / "modules/app" / name
        place.mkdir(parents=True)
        (place / "module.yaml").write_text(
            f"role: app\nsummary: for a test\nbase: base/debian-13\nrestart: always\nnetwork: none\n{more}"
        )
        (place / "Containerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    for name, text in (("machine", FILE.replace("INIT", init)), ("desk", DESK), ("own", OWN)):
        (made / f"{name}.yaml").write_text(text)
    return made


@pytest.fixture(scope="module")
def built(folder: Path) -> Path:
    if not shutil.which("qemu-system-x86_64"):
        pytest.fail("qemu-system-x86 is needed: scripts/test installs it")
    words = ["--modules", str(folder / "modules"), "--yes", "--disk", str(folder / "disk.img")]
    Cli("podman").run("machine", "build", str(folder / "machine.yaml"), "-o", str(folder / "built"), *words, timeout=2400)
    return folder / "built"


def container(module: str, desktop: str = DESKTOP) -> str:
    return f"modulux.{desktop}.{module}"


def is_drawn(machine: Virtual, path: Path) -> None:
    hears(machine, f"ready {container('openbox')}")
    wait_for(lambda: colours(machine.picture(path), (0, 0, 112, 32)) >= 8, "the panel")
    assert colours(machine.picture(path), (0, 300, 1280, 800)) >= 24, "the wallpaper"


def console_is_seen(machine: Virtual, path: Path) -> None:
    """What PID 1 said last on the serial line stands on the first terminal too, word for word."""
    letters = font(machine.running.machine.built / KERNEL)

    def seen(to: Path) -> list[bool]:
        last = [words[:80] for _, words in machine.running.said()[-LAST:]]
        screen = "".join(f"{line:160}" for line in read(machine.picture(to), letters))  # a long line goes on in the next
        return [words in screen for words in last if words.isascii()]

    with Monitor(machine.running.machine.monitor) as qemu:
        qemu.press("ctrl", "alt", "f1")
    wait_for(lambda: all(seen(path)), f"the console: {path}")
    with Monitor(machine.running.machine.monitor) as qemu:
        qemu.press("ctrl", "alt", "f7")
    wait_for(lambda: not any(seen(path.with_name("again.png"))), "the desktop again")


def still_draws(machine: Virtual, path: Path) -> None:
    """A menu comes to the picture when its button is pressed, whatever else the machine has to do."""
    before = machine.picture(path)
    machine.click(0.04, 0.02)

    def changed() -> bool:
        here = machine.picture(path)
        both = ImageChops.difference(before, here).crop((0, 40, 300, 400))
        return both.getbbox() is not None

    wait_for(changed, "the menu")
    with Monitor(machine.running.machine.monitor) as qemu:
        qemu.press("esc")


def told_of_troubles(machine: Virtual) -> None:
    hears(machine, f"{container('dies')} DIES AGAIN AND AGAIN")
    hears(machine, f"{container('dies')}: nothing to live for")
    hears(machine, f"{container('storm')} wants MORE PROCESSES than it may have")
    assert machine.ask("status")[0].startswith("machine\t")


def opens_in_a_browser(machine: Virtual, desktop: str) -> None:
    ways = machine.cli.run("machine", "open", NAME, "--json", timeout=300).stdout
    link = next(part for part in ways.split('"') if part.startswith("http://") and desktop_port(machine, desktop) in part)
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with browser.open(link, timeout=120) as page:
        assert f"<title>{desktop}</title>" in page.read().decode()


def desktop_port(machine: Virtual, desktop: str) -> str:
    gateways = noted(machine.running.machine.built)["gateways"]
    inside = next(g["ports"]["web"] for g in gateways if g["desktop"] == desktop)
    return f":{machine.running.machine.ports[inside]}/"


def ports(built: Path) -> dict[int, int]:
    return {int(inside): free_port() for inside in noted(built)["ports"]}


def state(path: Path, version: int, *commands: str) -> Path:
    """A state as a machine of that version left it."""
    if not shutil.which("debugfs"):
        pytest.fail("e2fsprogs is needed")
    with path.open("wb") as file:
        file.truncate(STATE)
    mark = path.with_suffix(".mark")
    mark.write_text(f"modulux {version}\n")
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-m", "2", "-L", "modulux-state", str(path)], check=True)
    script = "".join(f"{line}\n" for line in (f"write {mark} .modulux", *commands))
    subprocess.run(["debugfs", "-w", "-f", "-", str(path)], input=script, check=True, capture_output=True, text=True)
    return path


def full(path: Path, home: str) -> Path:
    """A state whose user has filled it: a home with one large file, and hardly a block left."""
    state(path, 1)
    facts = subprocess.run(["dumpe2fs", "-h", str(path)], check=True, capture_output=True, text=True).stdout
    known = {key: value.strip() for key, _, value in (line.partition(":") for line in facts.splitlines())}
    blocks = int(known["Free blocks"]) - int(known["Reserved block count"]) - 16
    large = path.with_suffix(".large")
    with large.open("wb") as file:
        for _ in range(blocks):
            file.write(b"x" * int(known["Block size"]))
    owned = [f"sif volumes/{home}{name} {field} 1000" for name in ("", "/large") for field in ("uid", "gid")]
    commands = ["mkdir volumes", f"mkdir volumes/{home}", f"write {large} volumes/{home}/large", *owned]
    script = "".join(f"{line}\n" for line in commands)
    subprocess.run(["debugfs", "-w", "-f", "-", str(path)], input=script, check=True, capture_output=True, text=True)
    large.unlink()
    return path


def test_without_a_graphics_card_and_a_state_what_browsers_see_comes_up(built: Path) -> None:
    with odd(NAME, built, cards=False, memory=MUCH, ports=ports(built), state=Path("/nowhere"), lost=True) as machine:
        hears(machine, "the disk /dev/vdc is not there")
        hears(machine, "NOTHING WILL BE KEPT")
        hears(machine, "MISSING: graphics (DRM)")
        hears(machine, f"NO DEVICE in /dev/dri for {container('xorg')}")
        hears(machine, f"{container('xorg')} DIES AGAIN AND AGAIN")
        hears(machine, f"ready {container('web', OTHER)}")
        told_of_troubles(machine)
        opens_in_a_browser(machine, OTHER)
        hears(machine, "not ready yet:")


def test_with_little_memory_and_neither_sound_nor_network_and_a_state_of_tomorrow_it_is_drawn(
    built: Path, init: str, tmp_path: Path
) -> None:
    disk = state(tmp_path / "state.img", 2)
    before = disk.read_bytes()
    with odd(NAME, built, sounds=False, network=False, memory=LITTLE[init], state=disk) as machine:
        hears(machine, "it belongs to a newer system, and is left alone; NOTHING WILL BE KEPT")
        is_drawn(machine, tmp_path / "screen.png")
        hears(machine, "NO DEVICE in /dev/snd")
        hears(machine, "MISSING: a network card")
        hears(machine, f"ready {container('network', NAME)}")
        told_of_troubles(machine)
        still_draws(machine, tmp_path / "menu.png")
        console_is_seen(machine, tmp_path / "console.png")
    assert disk.read_bytes() == before


def test_with_a_full_state_it_is_drawn_and_told_when_there_is_room_again(built: Path, tmp_path: Path) -> None:
    disk = full(tmp_path / "state.img", f"{container('openbox')}.home")
    with odd(NAME, built, memory=MUCH, state=disk) as machine:
        hears(machine, "state: FULL, 0 of")
        is_drawn(machine, tmp_path / "screen.png")
        hears(machine, "desktop ready")
        console_is_seen(machine, tmp_path / "console.png")
        machine.inside(container("openbox"), "rm ~/large")
        hears(machine, "state: there is room again")


def test_a_changed_byte_of_system_and_store_is_said_and_the_rest_runs(built: Path, tmp_path: Path) -> None:
    """Started directly there is no other slot. The programs hit: who makes file systems, and the interpreter of one module."""
    broken = tmp_path / "built"
    shutil.copytree(built, broken)
    flip(broken / "system.erofs", in_system(built, "/usr/sbin/mke2fs"))
    flip(broken / "store.erofs", in_store(built, "/usr/bin/perl"))
    blank = tmp_path / "state.img"
    with blank.open("wb") as file:
        file.truncate(STATE)
    with odd(NAME, broken, memory=MUCH, state=blank) as machine:
        hears(machine, "DAMAGED: the system is not what was built")
        hears(machine, "there is no other slot")
        hears(machine, "NOTHING WILL BE KEPT")
        is_drawn(machine, tmp_path / "screen.png")
        hears(machine, "DAMAGED: the store is not what was built")
        hears(machine, f"{container('storm')} DIES AGAIN AND AGAIN")
        console_is_seen(machine, tmp_path / "console.png")


SUPERBLOCK = 1024
"""Where that of a system lies, without which it cannot even be mounted."""


@pytest.fixture(scope="module")
def two_slots(built: Path, folder: Path) -> Path:
    second_slot(built, folder / "disk.img")
    return folder / "disk.img"


def copied(disk: Path, folder: Path) -> Path:
    """A disk of its own for a test, with the same bytes."""
    subprocess.run(["cp", "--sparse=always", disk, folder / "disk.img"], check=True)
    return folder / "disk.img"


@pytest.mark.parametrize("part", ["store", "system"])
def test_a_changed_byte_in_one_slot_has_the_other_one_started(built: Path, two_slots: Path, tmp_path: Path, part: str) -> None:
    disk = copied(two_slots, tmp_path)
    system, store = starts(disk)[1:3]
    flip(disk, system + SUPERBLOCK if part == "system" else store + in_store(built, "/usr/bin/perl"))
    with odd(NAME, beside(two_slots), memory=MUCH, disk=disk, variables=variables(tmp_path / "firmware.fd")) as machine:
        if part == "store":
            hears(machine, "DAMAGED: the store is not what was built")
            hears(machine, "this slot is damaged, the other one is started")
        else:
            hears(machine, "the slot a cannot be used: the other one is started")
        wait_for(lambda: machine.serial().count("desktop ready") == 1, "the other slot's desktop", 900)
        assert "slot\tb\trunning\tkept" in machine.ask("slots")
        is_drawn(machine, tmp_path / "screen.png")


@pytest.mark.parametrize("init", ["systemd"], indirect=True)
def test_a_slot_whose_systemd_cannot_live_has_the_other_one_started(built: Path, two_slots: Path, tmp_path: Path) -> None:
    """It is a library of systemd's that cannot be read: the kernel panics, and the same slot is started again, but not for ever."""
    disk = copied(two_slots, tmp_path)
    flip(disk, starts(disk)[1] + in_system(built, LIBRARY))
    with odd(NAME, beside(two_slots), memory=MUCH, disk=disk, variables=variables(tmp_path / "firmware.fd")) as machine:
        hears(machine, "the slot a was started 3 times, and its systemd lived for none of them", 900)
        wait_for(lambda: machine.serial().count("desktop ready") == 1, "the other slot's desktop", 900)
        assert "slot\tb\trunning\tkept" in machine.ask("slots")


def second_slot(built: Path, disk: Path) -> None:
    """The same machine in slot b as in slot a, as after an upgrade that was kept; a is newer."""
    from modulux.cli.common import Common
    from modulux.machine.disk import boot_programs
    from modulux.machine.tools import MODULE, Tools

    common = Common()
    tools = Tools(common.driver, common.catalog.reference(MODULE))
    at = starts(disk)
    work = disk.with_name("second")
    work.mkdir()
    for name in ("kernel", "initramfs"):
        shutil.copyfile(built / name, work / name)
    (program,) = boot_programs(work, noted(built), ["b"], tools)
    (work / "esp.img").write_bytes(piece(disk, at[0], at[1] - at[0]))
    script = f"mcopy -i esp.img {program.name} ::EFI/Linux/modulux-0-b.efi"
    tools.run(tools.image, work, "sh", "-c", f"cd /job && {script}")
    place(disk, at[0], (work / "esp.img").read_bytes())
    for source, target in ((1, 3), (2, 4)):
        place(disk, at[target], piece(disk, at[source], at[source + 1] - at[source]))


def piece(disk: Path, at: int, size: int) -> bytes:
    with disk.open("rb") as file:
        file.seek(at)
        return file.read(size)


def place(disk: Path, at: int, what: bytes) -> None:
    with disk.open("r+b") as file:
        file.seek(at)
        file.write(what)


def test_a_changed_byte_of_the_system_in_one_slot_has_the_other_one_started(
    built: Path, two_slots: Path, tmp_path: Path
) -> None:
    """The program hit is the one that makes the file system of the state, which is needed at this first start."""
    disk = copied(two_slots, tmp_path)
    flip(disk, starts(disk)[1] + in_system(built, "/usr/sbin/mke2fs"))
    with odd(NAME, beside(two_slots), memory=MUCH, disk=disk, variables=variables(tmp_path / "firmware.fd")) as machine:
        hears(machine, "DAMAGED: the system is not what was built")
        hears(machine, "this slot is damaged, the other one is started")
        wait_for(lambda: machine.serial().count("desktop ready") == 1, "the other slot's desktop", 900)
        assert "slot\tb\trunning\tkept" in machine.ask("slots")
        assert "NOTHING WILL BE KEPT" not in machine.serial().rpartition("the other one is started")[2]
        is_drawn(machine, tmp_path / "screen.png")
