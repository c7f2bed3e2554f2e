"""`modulux machine run` at a terminal: Ctrl-C is the power button of the machine, not the end of QEMU."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import subprocess
import termios
import time
from pathlib import Path

import pytest
from tests.support.cli import Cli
from tests.support.smallest import smallest
from tests.support.virtual import PATIENCE

from modulux.machine.places import sockets_folder
from modulux.machine.running import find

pytestmark = [pytest.mark.vm, pytest.mark.slow, pytest.mark.timeout(3600)]

NAME = "t-foreground"


def heard(terminal: int, pattern: str, seconds: float, said: str = "") -> str:
    """What is said at the terminal up to there; all of it, if it ends before."""
    end = time.monotonic() + seconds
    while not re.search(pattern, said):
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {pattern}\n{said[-2000:]}"
        try:
            said += os.read(terminal, 65536).decode(errors="replace")
        except OSError:  # nobody is at its other end any more
            break
    return said


def test_ctrl_c_is_the_power_button_and_the_least_memory_is_enough(tmp_path: Path) -> None:
    cli = Cli("podman")
    words = ["machine", "run", *smallest(tmp_path, NAME), "--name", NAME, "--fresh", "--memory", "256m"]
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        cli.argv(*words, "--timeout", str(PATIENCE)),
        env=cli.environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY),  # noqa: PLW1509  the tests have no threads
    )
    os.close(theirs)
    try:
        said = heard(terminal, r"stop it +Ctrl-C", PATIENCE + 2400)
        assert "its desktop was ready" in said
        running = find(NAME)
        assert running is not None
        assert running.machine.memory == 256 * 1024**2
        assert os.getsid(running.pid) != process.pid, "the terminal does not interrupt QEMU itself"
        os.write(terminal, b"\x03")
        rest = heard(terminal, "\0", 120)
        assert process.wait(60) == 0
        assert "did not go off by itself" not in rest
        assert "Traceback" not in rest
        assert not running.alive()
        assert find(NAME) is None
        log = (sockets_folder(NAME) / "serial.log").read_text(errors="replace")
        assert "ending: the power button" in log
        assert "stopped modulux.t-idle.idle" in log, "its containers were ended in order"
    finally:
        os.close(terminal)
        process.kill()
        process.wait()
        if left := find(NAME):
            cli.run("machine", "stop", NAME, "--grace", "1", status=None)
            assert not left.alive()
