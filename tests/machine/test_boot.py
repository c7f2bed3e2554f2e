"""One boot of a machine whose PID 1 runs nothing but containers, and all that a person would look at.

The picture is that of the (virtual) graphics card, the keys are pressed on the (virtual) keyboard, the tone is what the (virtual)
sound card played.
"""

from __future__ import annotations

import array
import json
import re
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engine.test_sound import RATE, strength
from tests.support.browser import alike, chromium, shown
from tests.support.cli import Cli
from tests.support.probe import probe, tone
from tests.support.virtual import Virtual, booted, colours, processes, wait_for

from modulux.machine.build import KERNEL, START, STORE, SYSTEM
from modulux.machine.layers import END, store

pytestmark = [pytest.mark.vm, pytest.mark.timeout(2400)]

MB = 1_000_000
NAME = "t-machine"
DESKTOP = "t-desk"
FILE = f"""name: {NAME}
desktops: [./desk.yaml]
gateway: {{module: web, address: 0.0.0.0, port: 6080, vnc-port: 5900}}
memory: 1g
"""
DESK = f"name: {DESKTOP}\ndisplay: xvfb\nsessions: [xfce]\napps: [terminal, probe]\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("machine")
    (made / "machine.yaml").write_text(FILE)
    (made / "desk.yaml").write_text(DESK)
    probe(made)
    return made


@pytest.fixture(scope="module")
def machine(folder: Path) -> Iterator[Virtual]:
    if not shutil.which("qemu-system-x86_64"):
        pytest.fail("qemu-system-x86 is needed: scripts/test installs it")
    words = ["--modules", str(folder / "modules"), "--sound", str(folder / "tone.wav"), "--fresh"]
    with booted(Cli("podman"), folder / "machine.yaml", NAME, *words) as made:
        yield made


def in_desktop(module: str) -> str:
    return f"modulux.{DESKTOP}.{module}"


def test_the_graphics_card_shows_the_desktop(machine: Virtual, tmp_path: Path) -> None:
    picture = machine.picture(tmp_path / "screen.png")
    assert picture.size == (1280, 800)
    assert colours(picture, (0, 0, 1280, 26)) >= 8, "the panel"
    assert colours(picture, (0, 400, 200, 800)) >= 50, "the wallpaper"


def test_only_pid_1_and_containers_run(machine: Virtual) -> None:
    found = processes(machine.ask("processes"))
    assert found[1] == ("-", "init")
    outside = {program for pid, (container, program) in found.items() if container == "-" and pid != 1}
    assert outside <= {"crun", "link", "init"}, outside  # those who hold a container's other end, or a port's
    assert {in_desktop("xorg"), in_desktop("xfce"), in_desktop("terminal")} <= {container for container, _ in found.values()}


def test_no_python_runs_before_the_desktop_is_drawn(machine: Virtual) -> None:
    """Nothing has one that does not wait for the picture; sound and the gateway, which are made of it, do."""
    lines = [line.split("\t") for line in machine.ask("plan")]
    later = {line[1] for line in lines if line[0] == "later"}
    before = {line[1] for line in lines if line[0] == "run"} - later
    assert {in_desktop("xorg"), in_desktop("xfce")} <= before
    look = "find /usr /opt /home -name 'python3*' -type f -perm /111 2>/dev/null || true"
    assert {name: found for name in before if (found := machine.inside(name, look))} == {}
    assert {in_desktop("alsa"), in_desktop("web")} <= later
    assert machine.inside(in_desktop("web"), look)


@pytest.mark.parametrize("module", ["xorg", "xfce", "terminal", "web", "x11vnc"])
def test_every_module_is_held_to_the_floor(machine: Virtual, module: str) -> None:
    missed = machine.inside(in_desktop(module), "/usr/lib/modulux/floor || true")
    assert missed == ("floor: sees the host's graphics card" if module == "xorg" else "")


def test_keys_arrive_in_a_terminal_and_the_pointer_where_it_points(machine: Virtual) -> None:
    machine.click(0.54, 0.53)
    machine.type("echo Typed > ~/Documents/typed\n")
    wait_for(lambda: machine.inside(in_desktop("xfce"), "cat ~/Documents/typed 2>/dev/null || true") == "Typed", "the file")


def test_a_tone_reaches_the_sound_card(machine: Virtual, folder: Path) -> None:
    """Without KVM the machine's clock stands still now and then, which cuts the tone up; between the cuts it is 440 Hz and nothing else."""
    machine.inside(in_desktop("probe"), tone(8))
    samples, rate = recorded(folder / "tone.wav")
    size = rate * 15 // 1000
    pieces = [samples[at : at + size] for at in range(0, len(samples) - size, size)]
    loud = [piece for piece in pieces if sum(map(abs, piece)) / size > 2000][:400]
    assert len(loud) > 50, "hardly anything was played"

    def share(frequency: float) -> float:
        return sum(strength(piece, frequency * RATE / rate) > 0.9 for piece in loud) / len(loud)

    assert share(440) > 0.25, "of these short pieces many hold a cut"
    assert share(330) + share(587) < 0.02


def test_the_mixer_is_open_at_a_sane_level(machine: Virtual) -> None:
    """As `audio/alsa` has it, 70 per cent; nothing is muted."""
    said = machine.inside(in_desktop("alsa"), "amixer -c 0 sget Master")
    assert re.findall(r"Playback .*\[(\d+)%\].*\[(on|off)\]", said) == [("70", "on")] * 2, said


def recorded(path: Path) -> tuple[array.array[int], int]:
    """The left side of what the card played, and samples a second; QEMU writes the sizes into its head only when it ends."""
    content = path.read_bytes()
    channels, rate = struct.unpack_from("<HI", content, 22)
    content = content[44:]
    return array.array("h", content[: len(content) // (2 * channels) * 2 * channels])[::channels], rate


def test_the_browsers_page_shows_the_same_desktop(machine: Virtual, tmp_path: Path) -> None:
    """All but the pointer, and what changes between two looks (the clock, a cursor), is that of the card, also of a terminal's text."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(machine.facts["browser"], timeout=120_000)
        page.wait_for_selector("body[data-state=connected]", timeout=120_000)
        assert page.title() == DESKTOP

        def same() -> bool:
            return alike(shown(page), machine.picture(tmp_path / "card.png")) > 0.99

        wait_for(same, "the page shows what the card does")
        before = shown(page)
        machine.click(0.54, 0.53)
        machine.type("seq -s / 100000 101000\n")
        wait_for(lambda: alike(shown(page), before) < 0.99, "it changes as something is typed")
        wait_for(same, "the page shows what the card does now")


def test_a_module_that_dies_comes_back_and_the_others_go_on(machine: Virtual) -> None:
    def running() -> dict[str, str]:
        rows = [line.split("\t") for line in machine.ask("status")[1:]]
        return {row[0]: row[4] for row in rows if row[1] == "running"}

    before = running()
    machine.ask("restart", in_desktop("x11vnc"))
    wait_for(
        lambda: running().get(in_desktop("x11vnc"), before[in_desktop("x11vnc")]) != before[in_desktop("x11vnc")], "it again"
    )
    after = running()
    assert {n: p for n, p in after.items() if n != in_desktop("x11vnc")} == {
        n: p for n, p in before.items() if n != in_desktop("x11vnc")
    }


def used(machine: Virtual) -> int:
    """Bytes of memory that nothing else could have."""
    text = machine.inside(in_desktop("xfce"), "cat /proc/meminfo")
    size = {m[1]: int(m[2]) for m in re.finditer(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
    return (size["MemTotal"] - size["MemAvailable"]) * 1024


def test_it_uses_little_memory(machine: Virtual) -> None:
    """No figure is asked of a busy computer's timing, but memory does not depend on it. As `machine bench`: Xfce without an application;
    that is to have 350 MB right after its start, and 20 more are for what the tests before this one have left."""
    for module in ("terminal", "probe"):
        machine.ask("stop", in_desktop(module))
    wait_for(lambda: used(machine) <= (350 + 20) * MB, "little memory with Xfce idle")
    for module in ("terminal", "probe"):
        machine.ask("start", in_desktop(module))


def test_what_is_booted_is_small(machine: Virtual) -> None:
    """All but what the test's own module adds to the store."""
    size = {part: (machine.running.machine.built / part).stat().st_size for part in (KERNEL, START, SYSTEM, STORE)}
    lines = [line.split("\t") for line in machine.ask("plan") if line.startswith("layers\t")]
    layers = {name: set(ids.split(":")) for _, name, ids in lines}
    own = layers.pop(in_desktop("probe")).difference(*layers.values())
    assert own
    added = sum((store() / f"{layer}{END}").stat().st_size for layer in own)
    assert size[KERNEL] + size[START] + size[SYSTEM] <= 64 * MB, size
    assert sum(size.values()) - added <= 256 * MB, (size, added)


def test_a_machine_without_a_card_may_boot_the_clouds_kernel_and_one_with_may_not(folder: Path) -> None:
    cli = Cli("podman")
    words = ["machine", "kernel", "set", "--modules", str(folder / "modules"), "--yes"]
    refused = cli.run(*words, str(folder / "machine.yaml"), "cloud", status=4, timeout=900)
    assert "graphics (DRM) for display/xorg" in refused.stderr
    assert "sound (ALSA) for audio/alsa" in refused.stderr
    assert "kernel: cloud" not in (folder / "machine.yaml").read_text()
    other = folder / "browser.yaml"
    other.write_text(FILE.replace("desktops: [./desk.yaml]", "display: own\ndesktops: [./plain.yaml]"))
    (folder / "plain.yaml").write_text(DESK.replace(", probe", ""))
    taken = json.loads(cli.run(*words, "--json", str(other), "cloud", timeout=900).stdout)
    assert "cloud" in taken["version"]
    assert "kernel: cloud" in other.read_text()
