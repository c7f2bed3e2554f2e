"""Whom the time service asks: those that its machine's file names, or those that DHCP named, of whom it hears as they change."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from modulux.paths import shipped

MODULES = shipped("modules") / "service"
NTP = '#!/bin/sh\ncp "$4" {folder}/asked.$$\nmv {folder}/asked.$$ {folder}/asked\nexec sleep 1000\n'


def script(path: str, folder: Path) -> Path:
    """One of the modules' scripts, with its files in that folder, and who asks time servers replaced by one who notes whom."""
    text = (MODULES / path).read_text()
    places = {"/tmp/": f"{folder}/", "/run/modulux/network": folder, "/usr/sbin/chronyd": folder / "chronyd", "-t 5": "-t 0.1"}
    for before, after in places.items():
        text = text.replace(before, str(after))
    made = folder / Path(path).name
    made.write_text(text)
    made.chmod(0o755)
    return made


@contextlib.contextmanager
def service(folder: Path, servers: str) -> Iterator[Callable[[], list[str]]]:
    """The service; gives the lines of its servers that chronyd was last started with."""
    (folder / "chronyd").write_text(NTP.format(folder=folder))
    (folder / "chronyd").chmod(0o755)
    with subprocess.Popen(
        [str(script("time/rootfs/usr/lib/modulux/time", folder)), servers], stderr=subprocess.PIPE
    ) as process:

        def asked() -> list[str]:
            with contextlib.suppress(OSError):
                return [line for line in (folder / "asked").read_text().splitlines() if line.startswith("server")]
            return []

        try:
            yield asked
        finally:
            process.terminate()
            process.communicate(timeout=10)


def is_asked(asked: Callable[[], list[str]], servers: str) -> bool:
    return asked() == [f"server {server} iburst" for server in servers.split()]


def wait(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_those_that_the_file_names_and_nothing_that_is_no_name(tmp_path: Path) -> None:
    with service(tmp_path, "ntp.example.org 10.0.0.1 -x $(reboot)") as asked:
        wait(lambda: asked() == ["server ntp.example.org iburst", "server 10.0.0.1 iburst"])
        settings = (tmp_path / "asked").read_text().splitlines()
    assert {"port 0", "cmdport 0", "bindcmdaddress /", "makestep 1 3", "rtcsync"} <= set(settings)


def test_those_that_dhcp_names_as_they_change(tmp_path: Path) -> None:
    lease = script("network/rootfs/usr/lib/modulux/lease", tmp_path)
    facts = {**os.environ, "interface": "t", "dns": "10.0.0.53"}
    with service(tmp_path, "network") as asked:
        assert asked() == []
        for servers in ("10.0.0.7 10.0.0.8", "10.0.0.9"):
            subprocess.run([str(lease), "renew"], env=facts | {"ntpsrv": servers}, check=True)
            wait(partial(is_asked, asked, servers))
    assert (tmp_path / "resolv.conf").read_text() == "nameserver 10.0.0.53\n"
