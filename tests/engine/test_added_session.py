"""A second session is added while somebody types in the first: every key arrives, in order."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support.cli import Cli

from modulux.bench.added import type_until
from modulux.rfb import Client, open_pipe

pytestmark = [pytest.mark.engine, pytest.mark.one_engine]

NAME = "t-added"
SOCKET = "/run/modulux/rfb/xfce.x11vnc.sock"
PLACE = (600, 400)  # within the terminal's window


def written(cli: Cli) -> str:
    return cli.inside(NAME, "terminal", "cat /tmp/keys")


def until_written(cli: Cli, keys: str, seconds: float = 20) -> str:
    """What has been written once it is as long as `keys`, or the time is over."""
    deadline = time.monotonic() + seconds
    while len(found := written(cli)) < len(keys) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def words(client: Client, text: str) -> None:
    for letter in text:
        for down in (True, False):
            client.key(0xFF0D if letter == "\n" else ord(letter), down)
        time.sleep(0.03)


def test_no_key_is_lost_while_a_session_is_added(cli: Cli, desktop_file: Callable[..., Path]) -> None:
    cli.run("up", str(desktop_file(NAME, sessions="[xfce]", apps="[terminal]")), "--yes")
    argv = [str(cli.engine), "exec", "-i", f"modulux.{NAME}.x11vnc", "nc", "-U", SOCKET]
    with Client(open_pipe(argv)) as client, ThreadPoolExecutor(1) as pool:
        for buttons in (0, 1, 0):
            client.pointer(*PLACE, buttons)
        time.sleep(1)
        words(client, "stty -icanon -echo; cat >/tmp/keys\n")
        time.sleep(1)
        sent = ""
        for arrange in ("shared", "nested", "separate"):
            use = json.dumps({"module": "openbox", "arrange": arrange})
            job = pool.submit(cli.run, "swap", NAME, f"sessions+={use}")
            sent += "".join(key for key, _ in type_until(client, job.done, 300, start=len(sent)))
            sent += "".join(key for key, _ in type_until(client, lambda: False, 2, start=len(sent)))
            job.result()
            assert until_written(cli, sent) == sent, arrange
            cli.run("swap", NAME, "sessions-=openbox")
