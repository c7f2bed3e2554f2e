"""One boot of a machine with each PID 1, ours, which runs nothing but containers, and systemd, and all that a person would look at.

The picture is that of the (virtual) graphics card, the keys are pressed on the (virtual) keyboard, the tone is what the (virtual)
sound card played.
"""

from __future__ import annotations

import array
import json
import re
import shutil
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engine.test_sound import RATE, strength
from tests.support.browser import alike, chromium, connected, shown
from tests.support.cli import Cli
from tests.support.probe import probe, tone
from tests.support.virtual import Virtual, booted, colours, processes
from tests.support.waiting import wait_for

from modulux.machine.build import KERNEL, START, STORE, SYSTEM
from modulux.machine.layers import END, store
from modulux.machine.qmp import Monitor

pytestmark = [pytest.mark.vm, pytest.mark.timeout(2400)]

MB = 1_000_000
NAME = "t-machine"
DESKTOP = "t-desk"
FILE = f"""name: {NAME}
init: INIT
desktops: [./desk.yaml]
gateway: {{module: web, address: 0.0.0.0, port: 6080, vnc-port: 5900}}
memory: 1g
"""
OUTSIDE = {
    "engine": ({"init"}, {"crun", "link"}),
    "systemd": (
        {"systemd", "systemd-journal", "init", "conmon"},
        {"link", "podman"},
    ),
}
"""What runs beside containers, and what may: those who start one, look into it, or hold its other end, or a port's."""
SYSTEMD = 64
"""MB that systemd, its journal and Podman's process beside each container may have."""
DESK = f"name: {DESKTOP}\ndisplay: xvfb\nsessions: [xfce]\napps: [terminal, probe]\n"


@pytest.fixture(scope="module", params=["engine", "systemd"])
def init(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(init: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("machine")
    (made / "machine.yaml").write_text(FILE.replace("INIT", init))
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


def test_only_pid_1_and_containers_run(machine: Virtual, init: str) -> None:
    """Of systemd's own: what it cannot do without, and who waits for each container."""
    found = processes(machine.ask("processes"))
    assert found[1] == ("-", "init" if init == "engine" else "systemd")
    outside = {program for container, program in found.values() if container == "-"}
    there, may = OUTSIDE[init]
    assert there <= outside <= there | may, outside
    assert {in_desktop("xorg"), in_desktop("xfce"), in_desktop("terminal")} <= {container for container, _ in found.values()}


def test_nobody_can_log_in_at_any_of_its_consoles(machine: Virtual) -> None:
    """The machine file says nothing of a login; who switches to a console starts none."""
    with Monitor(machine.running.machine.monitor) as qemu:
        for key in ("f3", "f7"):
            qemu.press("ctrl", "alt", key, seconds=0.2)
            time.sleep(5)
    programs = {program for _, program in processes(machine.ask("processes")).values()}
    assert not {program for program in programs if "getty" in program or "login" in program}
    assert "login:" not in machine.serial()


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
        try:
            connected(page, machine.facts["browser"], 120)
        except AssertionError as error:
            for module in ("web", "x11vnc", "xorg"):
                error.add_note("\n".join(machine.ask("log", in_desktop(module))[-40:]))
            raise
        assert page.title() == DESKTOP

        def same() -> bool:
            return alike(shown(page), machine.picture(tmp_path / "card.png")) > 0.99

        wait_for(same, "the page shows what the card does")
        before = shown(page)
        machine.click(0.54, 0.53)
        machine.type("seq -s / 100000 101000\n")
        wait_for(lambda: alike(shown(page), before) < 0.99, "it changes as something is typed")
        wait_for(same, "the page shows what the card does now")


def states(machine: Virtual) -> dict[str, list[str]]:
    return {(words := line.split("\t"))[0]: words[1:] for line in machine.ask("status")[1:]}


def test_a_module_that_is_started_anew_leaves_the_others_alone(machine: Virtual) -> None:
    viewer = in_desktop("x11vnc")
    before = {name: int(words[2]) for name, words in states(machine).items()}
    machine.ask("restart", viewer)
    wait_for(lambda: int(states(machine)[viewer][2]) == before[viewer] + 1, "it again")
    machine.ask("stop", viewer)
    wait_for(lambda: states(machine)[viewer][0] == "ended", "it has ended")
    machine.ask("start", viewer)
    wait_for(lambda: states(machine)[viewer][:2] == ["running", "ready"], "it is there again")
    after = {name: int(words[2]) for name, words in states(machine).items()}
    assert after == before | {viewer: before[viewer] + 2}


def test_what_a_container_says_can_be_read(machine: Virtual) -> None:
    assert "a probe is here" in machine.ask("log", in_desktop("probe"))


def used(machine: Virtual) -> int:
    """Bytes of memory that nothing else could have."""
    text = machine.inside(in_desktop("xfce"), "cat /proc/meminfo")
    size = {m[1]: int(m[2]) for m in re.finditer(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
    return (size["MemTotal"] - size["MemAvailable"]) * 1024


def test_it_uses_little_memory(machine: Virtual, init: str) -> None:
    """No figure is asked of a busy computer's timing, but memory does not depend on it. As `machine bench`: Xfce without an application;
    that is to have 350 MB right after its start, and 20 more are for what the tests before this one have left."""
    for module in ("terminal", "probe"):
        machine.ask("stop", in_desktop(module))
    most = 350 + 20 + (0 if init == "engine" else SYSTEMD)
    wait_for(lambda: used(machine) <= most * MB, f"at most {most} MB with Xfce idle")
    for module in ("terminal", "probe"):
        machine.ask("start", in_desktop(module))


def test_what_is_booted_is_small(machine: Virtual, init: str) -> None:
    """All but what the test's own module adds to the store. With `init: systemd` there are systemd and Podman, too."""
    if init == "systemd":
        pytest.skip("the aim is for our own PID 1")
    size = {part: (machine.running.machine.built / part).stat().st_size for part in (KERNEL, START, SYSTEM, STORE)}
    lines = [line.split("\t") for line in machine.ask("plan") if line.startswith("layers\t")]
    layers = {name: set(ids.split(":")) for _, name, ids in lines}
    own = layers.pop(in_desktop("probe")).difference(*layers.values())
    assert own
    added = sum((store() / f"{layer}{END}").stat().st_size for layer in own)
    assert size[KERNEL] + size[START] + size[SYSTEM] <= 64 * MB, size
    assert sum(size.values()) - added <= 256 * MB, (size, added)


def test_a_machine_without_a_card_may_boot_the_clouds_kernel_and_one_with_may_not(tmp_path: Path) -> None:
    cli = Cli("podman")
    words = ["machine", "kernel", "set", "--yes"]
    with_card, own = tmp_path / "machine.yaml", tmp_path / "browser.yaml"
    text = FILE.replace("INIT", "engine")
    with_card.write_text(text)
    own.write_text(text.replace("desktops:", "display: own\ndesktops:"))
    (tmp_path / "desk.yaml").write_text(DESK.replace(", probe", ""))
    refused = cli.run(*words, str(with_card), "cloud", status=4, timeout=900)
    assert "graphics (DRM) for display/xorg" in refused.stderr
    assert "sound (ALSA) for audio/alsa" in refused.stderr
    assert "kernel: cloud" not in with_card.read_text()
    taken = json.loads(cli.run(*words, "--json", str(own), "cloud", timeout=900).stdout)
    assert "cloud" in taken["version"]
    assert "kernel: cloud" in own.read_text()
