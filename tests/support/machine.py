"""Another machine, as far as engines can tell: no network but a loopback of its own, no images, no desktops; gone with the context."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.cli import Cli
from tests.support.dockerd import end_with_parent, unmount


@dataclass
class Machine(Cli):
    """`modulux` there."""

    folder: Path = Path("/")
    enter: tuple[str, ...] = ()

    def command(self, argv: Sequence[str]) -> list[str]:
        return [*self.enter, *argv]


@contextlib.contextmanager
def machine(engine: str) -> Iterator[Machine]:
    """A machine with that engine. Its data lies below /var/tmp: /tmp may be memory."""
    folder = Path(tempfile.mkdtemp(prefix=f"modulux-machine-{engine}-", dir="/var/tmp"))
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "ip link set lo up && echo ready && exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=end_with_parent,  # noqa: PLW1509  the tests have no threads
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        enter = ("nsenter", f"--net=/proc/{holder.pid}/ns/net", "--")
        here = {"XDG_DATA_HOME": str(folder / "data"), "XDG_CACHE_HOME": str(folder / "cache")}
        with (podman_apart if engine == "podman" else _docker)(folder, enter) as environment:
            yield Machine(engine, here | environment, folder=folder, enter=enter)
    finally:
        holder.communicate()  # the end of its stdin ends it, and with it the namespace
        unmount(folder)
        shutil.rmtree(folder)


@contextlib.contextmanager
def podman_apart(folder: Path, enter: Sequence[str] = ()) -> Iterator[dict[str, str]]:
    """Podman with a storage, locks and networks of its own, whatever this one has."""
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/run"\n'
    )
    (folder / "containers.conf").write_text(
        f'[engine]\nlock_type = "file"\ntmp_dir = "{folder}/tmp"\nstatic_dir = "{folder}/root/libpod"\n'
        f'volume_path = "{folder}/root/volumes"\n[network]\nnetwork_config_dir = "{folder}/networks"\n'
    )
    environment = {"CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"), "CONTAINERS_CONF": str(folder / "containers.conf")}
    try:
        yield environment
    finally:
        words = ["podman", "rm", "--all", "--force", "--time", "0"]
        subprocess.run([*enter, *words], env={**os.environ, **environment}, capture_output=True, check=False)


@contextlib.contextmanager
def _docker(folder: Path, enter: Sequence[str]) -> Iterator[dict[str, str]]:
    environment = {"DOCKER_HOST": f"unix://{folder}/d.sock"}
    places = ["--data-root", f"{folder}/root", "--exec-root", f"{folder}/x", "--pidfile", f"{folder}/pid"]
    with (folder / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(
            [*enter, "dockerd", *places, "-H", environment["DOCKER_HOST"]],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=end_with_parent,  # noqa: PLW1509
        )
    try:
        deadline = time.monotonic() + 60
        asking = [*enter, "docker", "version"]
        while subprocess.run(asking, env={**os.environ, **environment}, capture_output=True, check=False).returncode:
            assert daemon.poll() is None, (folder / "dockerd.log").read_text()[-2000:]
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield environment
    finally:
        daemon.terminate()
        try:
            daemon.wait(30)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def why_not() -> str | None:
    """Why this host cannot have one."""
    if os.geteuid() != 0 or sys.platform != "linux":
        return "only root can make a network namespace"
    lacking = [name for name in ("unshare", "nsenter", "ip", "dockerd", "podman") if shutil.which(name) is None]
    return f"this host lacks {', '.join(lacking)}" if lacking else None
