"""Key to pixel: how long after a key is sent over RFB the changed picture is there."""

from __future__ import annotations

import contextlib
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from modulux import rfb
from modulux.bench import engine as eng
from modulux.bench.cli import CommandLine, desktop
from modulux.bench.figures import Figure, Goal, Row, Series
from modulux.bench.websocket import open_gateway
from modulux.engine.commandline import CommandLineEngine
from modulux.errors import RfbError

NAME, XVNC_NAME = "bench-keys", "bench-keys-xvnc"
PLACE = (640, 440)  # the middle of keypixel's window
KEY = 0x61
BLOCK = 20  # keys in a row before it is another one's turn
SOCKET = "/run/modulux/rfb/xfce.{}.sock"
DEFAULTS, OURS, GATEWAY = "x11vnc as it comes", "ours", "ours, through the gateway"
XVNC, XVNC_GATEWAY = "xvnc", "xvnc, through the gateway"
Say = Callable[[str], None]


def measure(engine: CommandLineEngine, cli: CommandLine, folder: Path, keys: int, say: Say) -> Figure:
    """Send `keys` keys each way, in blocks that take turns."""
    files = [
        desktop(folder, NAME, viewer=["x11vnc", "x11vnc-defaults"], apps=["keypixel"]),
        desktop(folder, XVNC_NAME, display="xvnc", viewer=[], apps=["keypixel"]),
    ]
    direct = True

    def viewer(name: str, module: str) -> rfb.Client:
        nonlocal direct
        client, unrelayed = eng.direct(engine, f"modulux.{name}.{module}", f"modulux.{name}.rfb", SOCKET.format(module))
        direct = direct and unrelayed
        return client

    ways: dict[str, Callable[[], rfb.Client]] = {
        DEFAULTS: lambda: viewer(NAME, "x11vnc-defaults"),
        OURS: lambda: viewer(NAME, "x11vnc"),
        GATEWAY: lambda: rfb.Client(open_gateway(cli.link(NAME))),
        XVNC: lambda: viewer(XVNC_NAME, "xvnc"),
        XVNC_GATEWAY: lambda: rfb.Client(open_gateway(cli.link(XVNC_NAME))),
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    with cli.gone_after(NAME), cli.gone_after(XVNC_NAME):
        for file in files:
            cli.up(file)
        blocks = max(1, keys // BLOCK)
        for number in range(blocks):
            say(f"key: block {number + 1} of {blocks}")
            for way, opened in ways.items():
                with opened() as client:
                    times[way] += block(client, BLOCK)
    return _figure(times, direct)


def block(client: rfb.Client, keys: int) -> list[float]:
    """Milliseconds for each of `keys` keys; three before them do not count."""
    client.frame()
    pause = random.Random(1)  # noqa: S311 - no secret, only no rhythm that could fall in with the viewer's own
    times = []
    for number in range(keys + 3):
        _quiet(client, pause.uniform(0.03, 0.08))
        before = client.pixel(*PLACE)
        began = time.monotonic()
        client.key(KEY, True)
        while client.pixel(*PLACE) == before:
            if client.wait_update(began + 5) is None:
                raise RfbError(f"a key changed nothing within 5 s (the pixel at {PLACE} stays {before})")
            client.request()
        if number >= 3:
            times.append((time.monotonic() - began) * 1000)
        client.key(KEY, False)
    return times


def _quiet(client: rfb.Client, seconds: float) -> None:
    """Take in updates for a while, and leave a request open so that the next change is sent at once."""
    until = time.monotonic() + seconds
    client.request()
    with contextlib.suppress(rfb.RfbTimeoutError):
        while client.wait_update(until) is not None:
            client.request()


def _medians(values: list[float]) -> list[float]:
    """The median of each block."""
    return [statistics.median(values[at : at + BLOCK]) for at in range(0, len(values), BLOCK)]


def _figure(times: dict[str, list[float]], direct: bool) -> Figure:
    series = {way: Series(tuple(values)) for way, values in times.items()}
    relayed = (
        () if direct else ("the sockets could not be reached from here: all but the gateway went through the engine's exec",)
    )
    # Block by block: neighbours in time met the same machine.
    more = Series(tuple(_medians(times[GATEWAY]))).minus(Series(tuple(_medians(times[OURS])))).median
    return Figure(
        "key",
        "Key to pixel",
        "ms",
        tuple(
            Row(way, values, ours=way != DEFAULTS, extra={"p50": values.median, "p99": values.percentile(0.99)})
            for way, values in series.items()
        ),
        (
            Goal("p50", series[OURS].median, 8, " ms"),
            Goal("the gateway adds", more, 0.3, " ms"),
            Goal("xvnc, p50", series[XVNC].median, 4, " ms"),
            Goal("xvnc through the gateway, p50", series[XVNC_GATEWAY].median, 4.5, " ms"),
        ),
        relayed,
    )
