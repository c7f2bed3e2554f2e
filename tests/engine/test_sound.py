"""Sound: what an app in a container of its own plays can be recorded from the monitor, by anyone, and is heard by every listener."""

from __future__ import annotations

import array
import base64
import math
import time
from collections.abc import Iterator

import pytest
from tests.support.cli import Cli
from tests.support.probe import TONE, probe

pytestmark = [pytest.mark.engine, pytest.mark.one_engine]

NAME = "t-sound"
RATE = 48000


@pytest.fixture(scope="module")
def desktop(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("sound")
    path = folder / "desktop.yaml"
    path.write_text(f"name: {NAME}\ndisplay: xvfb\nsessions: [openbox]\naudio: pipewire\napps: [probe]\n")
    cli.run("up", str(path), "--modules", str(probe(folder)), "--yes", timeout=1500)
    yield NAME
    cli.run("down", NAME, "--volumes", "--yes")
    assert cli.left(NAME) == []


@pytest.fixture
def tone(cli: Cli, desktop: str) -> Iterator[None]:
    player = cli.start("exec", desktop, "probe", "--", "sh", "-c", TONE)
    time.sleep(1.5)
    yield
    cli.inside(desktop, "probe", "grep -lx pacat /proc/[0-9]*/comm | cut -d/ -f3 | xargs -r kill", status=None)
    player.wait(20)


def strength(samples: array.array[int], frequency: float) -> float:
    """How much of `samples` is that frequency, 0 to 1 (one line of the Fourier transform, by Goertzel)."""
    turn = 2 * math.cos(2 * math.pi * frequency / RATE)
    one = two = 0.0
    for sample in samples:
        one, two = sample + turn * one - two, one
    power = one * one + two * two - turn * one * two
    return math.sqrt(power) * math.sqrt(2) / math.sqrt(len(samples) * (sum(s * s for s in samples) or 1))


def test_a_tone_is_recorded_from_the_monitor(cli: Cli, desktop: str, tone: None) -> None:
    record = "timeout 2 parec --device=modulux.monitor --raw --rate=48000 --channels=1 --format=s16le --latency-msec=20 | base64 -w 0"
    samples = array.array("h", base64.b64decode(cli.inside(desktop, "probe", record, status=None)))[-RATE // 2 :]
    assert len(samples) == RATE // 2
    assert strength(samples, 440) > 0.95
    assert strength(samples, 500) < 0.1


def packets(cli: Cli, desktop: str) -> list[bytes]:
    """What a listener gets in a second."""
    got = base64.b64decode(
        cli.inside(desktop, "pipewire", "timeout 1 nc -U /run/modulux/sound/opus.sock | base64 -w 0", status=None)
    )
    found = []
    while got:
        size = int.from_bytes(got[:2], "big")
        found.append(got[2 : 2 + size])
        got = got[2 + size :]
    return found


def test_two_listeners_get_opus(cli: Cli, desktop: str, tone: None) -> None:
    first = cli.start("exec", desktop, "pipewire", "--", "sh", "-c", "timeout 4 nc -U /run/modulux/sound/opus.sock >/tmp/first")
    heard = packets(cli, desktop)
    assert len(heard) > 60  # of a hundred, less what it takes to begin
    # The first byte says how it is coded (RFC 6716, 3.1): ten milliseconds, stereo, one frame.
    assert {(packet[0] >> 3 & 3, packet[0] & 7) for packet in heard} == {(2, 4)}
    first.wait(20)
    assert int(cli.inside(desktop, "pipewire", "wc -c </tmp/first")) > sum(map(len, heard))


def test_nobody_listens_and_nothing_is_recorded(cli: Cli, desktop: str) -> None:
    time.sleep(0.5)
    assert "pw-cat" not in cli.inside(desktop, "pipewire", "cat /proc/[0-9]*/comm")


def test_it_comes_back_and_apps_find_it(cli: Cli, desktop: str) -> None:
    cli.kill(desktop, "pipewire")
    deadline = time.monotonic() + 30
    while "modulux" not in cli.inside(desktop, "probe", "timeout 5 pactl list short sinks", status=None):
        assert time.monotonic() < deadline, "no sink after the sound server was killed"
        time.sleep(0.3)
