"""Docker: the daemon of `DOCKER_HOST`, or the system's."""

from __future__ import annotations

import os
import re
import socket
import struct
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from modulux import run
from modulux.engine.commandline import CommandLineEngine
from modulux.engine.protocol import State
from modulux.errors import HostError

CREDENTIALS = "3i"
"""struct ucred: a process, its user, its group."""


def listener(path: str) -> tuple[int, int]:
    """The process that listens at a unix socket, and its user; (0, 0) where nobody does."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(path)
        except OSError:
            return 0, 0
        told = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(CREDENTIALS))
    pid, user, _ = struct.unpack(CREDENTIALS, told)
    return int(pid), int(user)


class Docker(CommandLineEngine):
    name = "docker"
    log_options = ("--log-driver", "json-file", "--log-opt", "max-size=10m", "--log-opt", "max-file=2")
    run_options = ("--pull", "never")
    build_options = ("--force-rm",)
    version_format = "{{.Server.Version}}"

    def build_env(self) -> dict[str, str]:
        # Debian's docker.io comes without buildx; the classic builder is in every daemon.
        return {"DOCKER_BUILDKIT": "0"}

    def runtime_words(self) -> list[str]:
        return []  # the daemon's configuration says which runtime

    def containers(self, prefix: str) -> list[State]:
        ids = self.do(self.argv("ps", "--all", "--quiet", "--no-trunc", "--filter", f"name=^/?{re.escape(prefix)}")).split()
        states = [_state(item) for item in self._inspect("container", ids)] if ids else []
        return [state for state in states if state.name.startswith(prefix)]

    def near_argv(self, command: Sequence[str]) -> list[str]:
        """Docker's volumes are root's, whoever may talk to the daemon; one that this user runs without root has its own root.

        Raises:
            HostError: this is not root, or the daemon's files are not on this machine.
        """
        host = self._address
        if not host.startswith(("unix:", "fd:")):
            raise HostError(f"the volumes of the Docker daemon at {host} are on another machine", hint="run Modulux there")
        if not self.rootless:
            return list(command)
        pid, owner = listener(host.removeprefix("unix://"))
        if owner != os.geteuid():
            raise HostError("Docker keeps its volumes where only root can read them", hint="run the same command by sudo")
        return ["nsenter", "--preserve-credentials", "--user", "--mount", "--target", str(pid), "--", *command]

    @cached_property
    def _address(self) -> str:
        """The daemon's, by the environment or the context that is in use."""
        host = os.environ.get("DOCKER_HOST", "")
        if host or not self.rootless:
            return host or "unix:"
        done = run.run(self.argv("context", "inspect", "--format", "{{.Endpoints.docker.Host}}"))
        return done.stdout.strip() or "unix:///var/run/docker.sock"

    def tidy_build(self, base: str, since: float) -> None:
        """A failed build leaves the images of its finished steps, without a name: those above `base`, made since, are ours."""
        if not base:
            return
        dangling = run.run(
            self.argv("images", "--quiet", "--no-trunc", "--filter", "dangling=true", "--filter", f"since={base}")
        )
        ids = list(dict.fromkeys(dangling.stdout.split()))
        items = self._inspect("image", [base, *ids]) if ids else []
        parents = {item["Id"]: item.get("Parent") or "" for item in items}
        above = {item["Id"] for item in items if base in (item.get("RepoTags") or [])}
        while more := {id for id, parent in parents.items() if parent in above} - above:
            above |= more
        ours = [item["Id"] for item in items if item["Id"] in above & set(ids) and _epoch(item["Created"]) >= int(since)]
        if ours:
            run.run(self.argv("rmi", *ours))


def _epoch(text: str) -> float:
    if not text or text.startswith("0001"):
        return 0.0
    return datetime.fromisoformat(text[:19] + "+00:00").timestamp()


def _state(item: dict[str, Any]) -> State:
    ports = {
        int(port.split("/")[0]): (bound[0]["HostIp"], int(bound[0]["HostPort"]))
        for port, bound in (item["NetworkSettings"].get("Ports") or {}).items()
        if bound
    }
    return State(
        id=item["Id"],
        name=item["Name"].lstrip("/"),
        status=item["State"]["Status"],
        labels=item["Config"]["Labels"] or {},
        image=item["Config"]["Image"],
        started=_epoch(item["State"]["StartedAt"]),
        exit_code=item["State"]["ExitCode"],
        ports=ports,
    )
