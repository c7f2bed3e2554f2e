"""Podman: no daemon, rootful or rootless."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

from modulux import paths, run
from modulux.engine.commandline import CommandLineEngine
from modulux.engine.protocol import Named, State
from modulux.errors import EngineError
from modulux.model.plan import Container, Network, Volume

BUSY = (0.2, 0.5, 1.0)
"""Seconds until what was busy is removed again."""

STARTS_AT_ONCE = (4, 8)
"""The first version in which two `podman run` that share volumes never wait for each other's locks."""


class Podman(CommandLineEngine):
    name = "podman"
    # journald, the default where systemd is built in, is not there on every host
    log_options = ("--log-driver", "k8s-file", "--log-opt", "max-size=10mb")
    run_options = ("--pull", "never")
    # without layers an interrupted build leaves no half-made images, and each module is one layer
    build_options = ("--layers=false", "--pull-never", "--force-rm")

    def identity(self, c: Container) -> list[str]:
        """Without root UID 1000 of a container is one of the user's spare ids; for the host's files it must be the user.

        Then all containers of the desktop are mapped alike, since they share volumes. Podman copies each image for that mapping
        when it is first used, so it is done only when it must be.
        """
        if not (self.rootless and c.host_files):
            return []
        return ["--userns", f"container:{c.needs[0]}" if c.needs else "keep-id:uid=1000,gid=1000"]

    def start(self, c: Container) -> None:
        """As any engine; before 4.8 one at a time, whichever process asks.

        Debian 12's takes the locks of a container's volumes in any order, and two that share some stand still for good, with
        every later `podman` behind them (its issue 20313).
        """
        with nullcontext() if self._starts_at_once else paths.lock("podman-run"):
            super().start(c)

    @cached_property
    def _starts_at_once(self) -> bool:
        return self.version().number >= STARTS_AT_ONCE

    def adopt(self, volumes: Sequence[str], host_files: bool) -> None:
        """As in `identity`; without root, what another mapping wrote would be closed to this one."""
        if not (self.rootless and volumes):
            return
        points = [Path(item["Mountpoint"]) for item in self._inspect("volume", volumes)]
        strange = [str(point) for point in points if self._is_users(point) != host_files]
        if strange:
            owner = "0:0" if host_files else "1000:1000"  # as `unshare` sees the user, and UID 1000 of other containers
            self.do(self.argv("unshare", "chown", "--recursive", "--no-dereference", owner, *strange))

    def _is_users(self, point: Path) -> bool:
        """Whether a volume's folder is the user's own and not one of the spare ids'."""
        try:
            return point.stat().st_uid == os.geteuid()
        except PermissionError:  # the folder around one that was made with an owner is that owner's, too
            return self.do(self.near_argv(["stat", "--format=%u", str(point)])).strip() == "0"

    def near_argv(self, command: Sequence[str]) -> list[str]:
        """Without root, the owners of the volumes' files are this user's spare ids, and only `unshare` may act for them."""
        return self.argv("unshare", *command) if self.rootless else list(command)

    def filled_volume_argv(self, volume: Volume) -> list[str]:
        """Podman gives a volume's top folder the image's owner, mode and time at its first use, unless it has an owner."""
        return self.argv("volume", "create", "--opt", "o=uid=1000,gid=1000", *self.volume_argv(volume)[len(self.argv()) + 2 :])

    def save_argv(self, references: Sequence[str]) -> list[str]:
        return self.argv("save", "--multi-image-archive", *references)

    def network_argv(self, network: Network) -> list[str]:
        """As any engine; Docker keeps its bridges apart by itself, Podman when it is told to."""
        return self.argv("network", "create", "--opt", "isolate=true", *super().network_argv(network)[len(self.argv()) + 2 :])

    def containers(self, prefix: str) -> list[State]:
        words = self.argv("ps", "--all", "--filter", f"name=^{re.escape(prefix)}", "--format", "json")
        try:
            out = self.do(words)
        except EngineError:  # it gives up when somebody else's goes between the list and the look at it
            out = self.do(words)
        return [_state(item) for item in json.loads(out or "[]") if item["Names"][0].startswith(prefix)]

    def _named(self, kind: str, prefix: str) -> list[Named]:
        words = self.argv(kind, "ls", "--format", "json")
        try:
            out = self.do(words)
        except EngineError:  # it gives up when one goes between the list and the look at it
            out = self.do(words)
        items = json.loads(out or "[]")
        return [n for n in map(self._as_named, items) if n.name.startswith(prefix)]

    def remove(self, kind: str, names: Any) -> None:
        """As any engine; SIGTERM was sent before, so nothing is waited for here.

        On a busy computer Podman finds a mount of theirs "busy" that another of its processes is just taking away. Told again,
        it removes them; those that are gone by then are no error.
        """
        if not names or kind != "container":
            super().remove(kind, names)
            return
        argv = self.argv("rm", "--force", "--time", "0", *names)
        for pause in BUSY:
            done = self.attempt(argv)
            if done.ok or "resource busy" not in done.stderr:
                self.checked(argv, done)
                return
            time.sleep(pause)
        self.do(argv)

    def tidy(self, prefix: str) -> None:
        """A `run` that is killed early leaves a name and a root file system in the storage, without a container to them."""
        for item in self._external("--filter", f"name=^{re.escape(prefix)}"):
            if item.get("State") == "storage" and (item.get("Names") or [""])[0].startswith(prefix):
                run.run(self.argv("rm", "--force", item["Id"]))

    def tidy_build(self, base: str, since: float) -> None:
        """A killed build leaves its working container in the storage; it carries no label, so image and time must fit."""
        for item in self._external():
            name = (item.get("Names") or [""])[0]
            left = item.get("State") == "storage" and item.get("Image") == base and name.endswith("working-container")
            if left and float(item.get("Created") or 0) >= int(since):
                run.run(self.argv("rm", "--force", item["Id"]))

    def _external(self, *options: str) -> list[dict[str, Any]]:
        """All containers, those of builds too. Podman gives up when one of them goes while it looks, so it looks again."""
        argv = self.argv("ps", "--all", "--external", *options, "--format", "json")
        for _ in range(5):
            done = run.run(argv)
            if done.ok:
                break
        try:
            items: list[dict[str, Any]] = json.loads(done.stdout or "[]")
        except ValueError:
            raise EngineError("podman ps: not JSON") from None
        return items


def _state(item: dict[str, Any]) -> State:
    ports = {
        int(p["container_port"]): (p.get("host_ip") or p.get("hostIP") or "0.0.0.0", int(p["host_port"]))
        for p in item.get("Ports") or []
    }
    return State(
        id=item["Id"],
        name=item["Names"][0],
        status=item["State"],
        labels=item.get("Labels") or {},
        image=item["Image"],
        started=max(0.0, float(item.get("StartedAt") or 0)),
        exit_code=int(item.get("ExitCode") or 0),
        ports=ports,
    )
