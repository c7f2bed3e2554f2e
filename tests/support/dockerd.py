"""A Docker daemon of the tests' own, where no other answers: own data, own socket, ended with the context, nothing left behind."""

from __future__ import annotations

import contextlib
import ctypes
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
TABLES = ("filter", "nat")


@contextlib.contextmanager
def dockerd(folder: Path, seconds: float = 60) -> Iterator[dict[str, str]]:
    """Give the environment in which `docker` reaches a daemon: empty when one answers already, else that of a new one.

    Args:
        folder: for its socket, its log and what it keeps while it runs. Its data lies below /var/tmp: /tmp may be memory.
        seconds: how long it may take to answer.
    """
    if _answers({}):
        yield {}
        return
    before = _rules()
    data = Path(tempfile.mkdtemp(prefix="modulux-dockerd-", dir="/var/tmp"))
    socket = f"unix://{folder}/d.sock"
    argv = [
        "dockerd",
        "--data-root",
        str(data),
        "--exec-root",
        str(folder / "x"),
        "--pidfile",
        str(folder / "pid"),
        "-H",
        socket,
    ]
    log = folder / "dockerd.log"
    with log.open("wb") as output:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, preexec_fn=end_with_parent)  # noqa: PLW1509
    try:
        environment = {"DOCKER_HOST": socket}
        _wait(process, environment, log, seconds)
        yield environment
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        unmount(data, folder)
        shutil.rmtree(data)
        _forget_rules(before)


def end_with_parent() -> None:
    """A run of the tests that is killed must not leave a daemon."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _do(argv: Sequence[str], environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **(environment or {})}
    return subprocess.run(argv, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)


def _answers(environment: dict[str, str]) -> bool:
    return _do(["docker", "version", "--format", "{{.Server.Version}}"], environment).returncode == 0


def _wait(process: subprocess.Popen[bytes], environment: dict[str, str], log: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not _answers(environment):
        if process.poll() is not None or time.monotonic() > deadline:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
            raise RuntimeError(f"dockerd does not answer; its log ends with:\n{last}")
        time.sleep(0.1)


def unmount(*folders: Path) -> None:
    """Unmount all below: the daemon leaves its data folder mounted on itself, and what its containers had when it was killed."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed(points):
        if any(Path(point).is_relative_to(folder) for folder in folders):
            _do(["umount", "--lazy", point])


def _rules() -> set[tuple[str, str]]:
    return {(table, line) for table in TABLES for line in _do(["iptables", "-t", table, "-S"]).stdout.splitlines()}


def _forget_rules(before: set[tuple[str, str]]) -> None:
    """Take back the packet filter's rules and the bridge, unless Docker's were there before."""
    if any("DOCKER" in line for _, line in before):
        return
    made = sorted(rule for rule in _rules() - before if "DOCKER" in rule[1] or "docker0" in rule[1])
    for table, line in made:
        if line.startswith("-A"):
            _do(["iptables", "-t", table, "-D", *line.split()[1:]])
    for action in ("-F", "-X"):
        for table, line in made:
            if line.startswith("-N"):
                _do(["iptables", "-t", table, action, line.split()[1]])
    _do(["ip", "link", "delete", "docker0"])
