"""Docker: the daemon of `DOCKER_HOST`, or the system's."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from modulux.engine.commandline import CommandLineEngine
from modulux.engine.protocol import State


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
        ids = self.do(self.argv("ps", "--all", "--quiet", "--no-trunc", "--filter", f"name=^/?{prefix}")).split()
        return [_state(item) for item in self._inspect("container", ids)] if ids else []


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
