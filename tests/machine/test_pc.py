"""A machine for ordinary computers (`profile: pc`), from its disk by UEFI, with what such a computer has: AHCI, e1000e, a card that Linux knows
by itself, HD audio, keyboard and tablet by USB, and an old network card to which Linux gives firmware."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engine.test_sound import RATE, strength
from tests.machine.test_boot import recorded
from tests.support.cli import Cli
from tests.support.odd import Pc, hears, odd
from tests.support.probe import TONE, probe
from tests.support.virtual import Virtual, colours
from tests.support.waiting import wait_for

from modulux.machine.console import connect
from modulux.machine.disk import beside
from modulux.machine.firmware import variables
from modulux.machine.kernel import Kernel

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(3600)]

NAME, DESKTOP = "t-pc", "t-pc-desk"
PASSWORD = "correct horse"
HASH = "$6$modulux$utBrM7Kj0Y0pGxu9VPJxVMSDEt6iq1DcX6UtpcYDsLKrgGAM/9WuoNNanbTFRq6I8gbBHH2tOlvaAYvWIgXKh."
FILE = f"""name: {NAME}
profile: pc
desktops: [./desk.yaml]
state: 256m
login: {{password-hash: '{HASH}', serial: true}}
"""
DESK = f"name: {DESKTOP}\ndisplay: xvfb\nsessions: [openbox]\napps: [terminal, probe]\n"
MOST = 160 * 10**6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("qemu-system-x86_64"):
        pytest.fail("qemu-system-x86 is needed: scripts/test installs it")
    made = tmp_path_factory.mktemp("pc")
    (made / "machine.yaml").write_text(FILE)
    (made / "desk.yaml").write_text(DESK)
    words = ["--modules", str(probe(made)), "--yes", "-o", str(made / "built"), "--disk", str(made / "disk.img")]
    Cli("podman").run("machine", "build", str(made / "machine.yaml"), *words, timeout=2400)
    return made


@pytest.fixture(scope="module")
def machine(folder: Path) -> Iterator[Virtual]:
    disk = folder / "disk.img"
    firmware, tone = variables(folder / "firmware.fd"), folder / "tone.wav"
    with odd(NAME, beside(disk), Pc, disk=disk, variables=firmware, sound=tone) as made:
        hears(made, "desktop ready", 1200)
        yield made


def container(module: str, desktop: str = DESKTOP) -> str:
    return f"modulux.{desktop}.{module}"


def test_what_it_starts_from_is_small_but_for_firmware(folder: Path) -> None:
    firmware = json.loads((folder / "built/machine.json").read_text())["firmware"]
    files = ("kernel", "initramfs", "system.erofs")
    assert sum((folder / "built" / name).stat().st_size for name in files) - sum(firmware["bytes"].values()) <= MOST
    assert firmware["bytes"]["system.erofs"] > 20 * 10**6
    assert {"amdgpu", "radeon", "nouveau", "i915", "r8169"} <= set(firmware["drivers"])
    assert firmware["without"] == []


def test_its_system_holds_the_firmware_that_its_drivers_name(folder: Path, tmp_path: Path) -> None:
    system = tmp_path / "system"
    subprocess.run(["fsck.erofs", f"--extract={system}", folder / "built/system.erofs"], check=True, capture_output=True)
    (version,) = (path.name for path in (system / "lib/modules").iterdir())
    there = {path.relative_to(system / "lib/firmware") for path in (system / "lib/firmware").rglob("*") if path.is_file()}
    named = Kernel(system / "lib/modules" / version).firmware("amdgpu")
    assert len({Path(f"{name}.zst") for name in named} & there) > 0.9 * len(set(named))
    assert Path("e100/d101m_ucode.bin.zst") in there
    assert not list((system / "lib/firmware").glob("rtlwifi")), "no driver of the profile's asks for it"
    assert "Advanced Micro Devices" in (system / "usr/share/doc/firmware-amd-graphics/copyright").read_text()


def test_the_card_shows_the_desktop(machine: Virtual, tmp_path: Path) -> None:
    picture = machine.picture(tmp_path / "screen.png")
    assert picture.size == (1280, 800)
    assert colours(picture, (0, 0, 112, 32)) >= 60, "the panel's button"
    assert colours(picture, (0, 700, 1280, 800)) >= 24, "the wallpaper"


def test_each_of_its_devices_has_its_driver(machine: Virtual) -> None:
    script = "for d in /sys/bus/pci/devices/*/driver /sys/bus/usb/devices/*/driver; do readlink $d; done"
    drivers = {line.rsplit("/", 1)[-1] for line in machine.inside(container("openbox"), script).split()}
    assert {"ahci", "e1000e", "bochs-drm", "snd_hda_intel", "xhci_hcd", "usbhid"} <= drivers


def test_its_network_has_an_address(machine: Virtual) -> None:
    hears(machine, f"ready {container('network', NAME)}")
    network = container("network", NAME)
    wait_for(lambda: any("10.0.2.15 by DHCP" in line for line in machine.ask("log", network)), "an address")


def test_a_device_gets_its_firmware(machine: Virtual) -> None:
    def said() -> list[str]:
        found = json.loads(machine.cli.run("machine", "log", NAME, "kernel", "--boot", "0", "--json", timeout=600).stdout)
        return [one["line"] for one in found if "e100" in one["line"]]

    wait_for(lambda: any("d101s_ucode.bin" in line for line in said()), "the card has asked for it")
    wait_for(lambda: any("Loaded FW: e100/d101s_ucode.bin" in line for line in said()), "\n".join(said()), 30)
    assert not any("Needs" in line or "failed with error" in line for line in said())


def test_keys_arrive_in_a_terminal(machine: Virtual) -> None:
    machine.click(0.5, 0.5)
    machine.type("echo Typed > ~/Documents/typed\n")
    wait_for(lambda: machine.inside(container("terminal"), "cat ~/Documents/typed 2>/dev/null || true") == "Typed", "the file")


def test_a_tone_reaches_the_sound_card(machine: Virtual, folder: Path) -> None:
    """As in `test_boot`, from which the measure is."""
    machine.inside(container("probe"), TONE)
    samples, rate = recorded(folder / "tone.wav")
    size = rate * 15 // 1000
    pieces = [samples[at : at + size] for at in range(0, len(samples) - size, size)]
    loud = [piece for piece in pieces if sum(map(abs, piece)) / size > 2000][:400]
    assert len(loud) > 50, "hardly anything was played"
    assert sum(strength(piece, 440 * RATE / rate) > 0.9 for piece in loud) / len(loud) > 0.25


def test_the_serial_line_takes_a_password(machine: Virtual) -> None:
    hears(machine, f"ready {container('serial-login', NAME)}")
    with connect(machine.running.machine.console) as line:

        def answered(word: str, *wanted: str) -> None:
            begin = len(machine.serial())
            line.sendall(f"{word}\n".encode())
            wait_for(lambda: any(w in machine.serial()[begin:] for w in wanted), f"{wanted} after {word}")

        answered("wrong", "That is not it")
        assert "wrong" not in machine.serial()
        answered(PASSWORD, "user@")
        assert PASSWORD not in machine.serial()
        answered("echo $((6 * 7)); id -u; tty", "42\n1000\n/dev/ttyS0")
        answered("exit", "Password:")
