"""What Podman and Docker have in common: specification → argv, and running it."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modulux import run
from modulux.engine.enter import enter_argv
from modulux.engine.protocol import Detail, ImageFacts, Named, State, Version
from modulux.errors import EngineError, HostError
from modulux.model.plan import IMAGE, Container, Network, Volume

TMPFS = {"/tmp": "512m", "/var/tmp": "512m", "/run": "64m"}
"""Where a module may write, beside its volumes; everything else is read-only."""


PROCESSORS = os.cpu_count() or 1
"""Docker refuses a limit beyond what is there."""


class CommandLineEngine:
    """An engine driven by its command line.

    Args:
        runtime: the OCI runtime to ask for, None for the engine's own choice.
        ulimits: `nofile` and the like, for each container.
        chrooted: this process lives in a chroot, where the engine's own `exec` would end up at the real host's root.
        rootless: this process is not root's.
    """

    name = ""
    log_options: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        program: str | None = None,
        runtime: str | None = None,
        ulimits: Mapping[str, int] | None = None,
        chrooted: bool = False,
        rootless: bool = False,
    ) -> None:
        self.program = program or self.name
        self.runtime = runtime
        self.ulimits = dict(ulimits or {})
        self.chrooted = chrooted
        self.rootless = rootless

    # -- running -----------------------------------------------------------------------------------------------------

    def argv(self, *words: str) -> list[str]:
        return [self.program, *words]

    def do(self, argv: Sequence[str], *, timeout: float | None = None) -> str:
        """Run one of our own commands; its stdout.

        Raises:
            EngineError: it failed; the message is the last line that the engine said.
            HostError: the engine's program is not there.
        """
        return self.checked(argv, self.attempt(argv, timeout=timeout))

    def make(self, argv: Sequence[str]) -> str:
        """Run one of our own commands that makes something; its stdout.

        A daemon goes on with it when its client has gone. So an interrupt waits for it, and an undo finds what it made.

        Raises:
            EngineError, HostError: as `do`.
        """
        return self.checked(argv, self.attempt(argv, spared=True))

    def attempt(self, argv: Sequence[str], *, timeout: float | None = None, spared: bool = False) -> run.Completed:
        """Run one of our own commands, whatever comes of it.

        Raises:
            HostError: as `do`.
        """
        try:
            return run.run(argv, timeout=timeout, spared=spared)
        except FileNotFoundError:
            raise HostError(f"{self.program} is not installed", hint="modulux doctor") from None

    def checked(self, argv: Sequence[str], done: run.Completed) -> str:
        """What a command of ours printed.

        Raises:
            EngineError: as `do`.
        """
        if not done.ok:
            raise EngineError(f"{self.name} {argv[len(self.argv())]}: {_reason(done.stderr) or f'exit status {done.status}'}")
        return done.stdout

    def build_env(self) -> dict[str, str]:
        """Variables for builds; those for every call are set once, where the engine is chosen (cli/common.py)."""
        return {}

    def identity(self, c: Container) -> list[str]:  # noqa: ARG002  for engines that have a say in it
        """Words of `run` that say who UID 1000 of the container is outside."""
        return []

    def adopt(self, volumes: Sequence[str], host_files: bool) -> None:
        """Give what `volumes` hold to whoever UID 1000 is outside now; nobody may be using them."""

    def version(self) -> Version:
        if shutil.which(self.program) is None:
            raise HostError(f"{self.program} is not installed", hint="modulux doctor")
        text = self.do(self.argv("version", "--format", self.version_format)).strip()
        return Version(tuple(int(n) for n in re.findall(r"\d+", text)[:3]), text)

    version_format = "{{.Client.Version}}"

    # -- what is there -----------------------------------------------------------------------------------------------

    def containers(self, prefix: str) -> list[State]:
        raise NotImplementedError

    def volumes(self, prefix: str) -> list[Named]:
        return self._named("volume", prefix)

    def networks(self, prefix: str) -> list[Named]:
        return self._named("network", prefix)

    def images(self, references: Sequence[str]) -> set[str]:
        """Those of `references` that are there; asked for by name, since a list of all images takes an engine seconds."""
        items = self._inspect("image", list(dict.fromkeys(references)))
        return {tag for item in items for tag in item.get("RepoTags") or []} & set(references)

    def ours(self, repository: str) -> set[str]:
        """References of all images below `repository` that carry our label; slow where there are many images."""
        words = ["--filter", f"reference={repository}/*", "--filter", f"label={IMAGE}=modulux"]
        return set(self.do(self.argv("images", *words, "--format", "{{.Repository}}:{{.Tag}}")).split())

    def _named(self, kind: str, prefix: str) -> list[Named]:
        names = self.do(self.argv(kind, "ls", "--filter", f"name={prefix}", "--format", "{{.Name}}")).split()
        names = [n for n in names if n.startswith(prefix)]
        return [self._as_named(item) for item in self._inspect(kind, names)] if names else []

    def _inspect(self, kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
        done = run.run(
            self.argv(kind, "inspect", *names)
        )  # what vanished meanwhile fails the command, not the rest of its output
        try:
            items = json.loads(done.stdout or "[]")
        except ValueError:
            raise EngineError(f"{self.name} {kind} inspect: not JSON") from None
        return list(items)

    @staticmethod
    def _as_named(item: dict[str, Any]) -> Named:
        return Named(item.get("Name") or item["name"], item.get("Labels") or item.get("labels") or {})

    # -- specification → argv ----------------------------------------------------------------------------------------

    def volume_argv(self, volume: Volume) -> list[str]:
        return self.argv("volume", "create", *_labels(volume.labels), volume.name)

    def network_argv(self, network: Network) -> list[str]:
        internal = ["--internal"] if network.internal else []
        return self.argv("network", "create", *internal, *_labels(network.labels), network.name)

    def run_argv(self, c: Container) -> list[str]:
        words = ["run", "--detach", "--name", c.name, "--hostname", c.hostname, *self.run_options]
        words += ["--user", "1000:1000", "--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges"]
        words += [w for capability in c.capabilities for w in ("--cap-add", capability)]
        words += [w for device in c.devices for w in ("--device", device)]
        words += ["--security-opt", f"seccomp={c.seccomp}"] if c.seccomp else []
        words += [
            "--memory",
            str(c.memory),
            "--memory-swap",
            str(c.memory),
            "--cpus",
            f"{min(c.cpus, PROCESSORS):g}",
            "--pids-limit",
            str(c.pids),
        ]
        words += [*self._ulimits(), *self.identity(c)]
        words += [w for path, size in TMPFS.items() for w in ("--tmpfs", f"{path}:rw,nosuid,nodev,mode=1777,size={size}")]
        words += ["--ipc", c.ipc if c.ipc in ("private", "shareable") else f"container:{c.ipc}"]
        words += ["--shm-size", str(c.shm)] if c.ipc in ("private", "shareable") else []
        words += ["--network", c.networks[0] if c.networks else "none"]
        words += [w for p in c.publish for w in ("--publish", f"{_address(p.address)}:{p.host_port or ''}:{p.port}")]
        words += [w for m in c.mounts for w in ("--volume", f"{m.source}:{m.target}{':ro' if m.read_only else ''}")]
        words += [w for k, v in c.env.items() for w in ("--env", f"{k}={v}")]
        words += [*_labels(c.labels), "--restart", "on-failure:10", "--stop-timeout", "5", *self.log_options]
        return self.argv(*self.runtime_words(), *words, c.image, *c.command)

    run_options: tuple[str, ...] = ()

    def start(self, c: Container) -> None:
        """Make the container and start it; may be called for several at once."""
        self.make(self.run_argv(c))

    def _ulimits(self) -> list[str]:
        return [w for name, value in self.ulimits.items() for w in ("--ulimit", f"{name}={value}:{value}")]

    def runtime_words(self) -> list[str]:
        return ["--runtime", self.runtime] if self.runtime else []

    def exec_argv(self, container: str, command: Sequence[str], *, stdin: bool = False, tty: bool = False) -> list[str]:
        if self.chrooted:
            (item,) = self._inspect("container", [container])
            return enter_argv(item["State"]["Pid"], item["Config"]["Env"], command)
        flags = (["--interactive"] if stdin else []) + (["--tty"] if tty else [])
        return self.argv("exec", *flags, container, *command)

    def once_argv(self, image: str, command: Sequence[str], *, work: Path | None = None) -> list[str]:
        """Run a command in a fresh container of the image, without network; the container goes with it.

        Args:
            work: a folder of this host, which it has as /job and, being root there, may write.
        """
        words = ["run", "--rm", *self.run_options, "--network", "none", "--read-only", "--cap-drop", "all", *self._ulimits()]
        words += ["--user", "0:0", "--volume", f"{work}:/job", "--tmpfs", "/tmp:rw,nosuid,nodev"] if work else []
        return self.argv(*self.runtime_words(), *words, "--entrypoint", command[0], image, *command[1:])

    def logs_argv(self, container: str, *, follow: bool = False, tail: int | None = None) -> list[str]:
        return self.argv(
            "logs", *(["--follow"] if follow else []), *(["--tail", str(tail)] if tail is not None else []), container
        )

    def build_argv(self, context: Path, reference: str, arguments: Mapping[str, str]) -> list[str]:
        words = [w for k, v in arguments.items() for w in ("--build-arg", f"{k}={v}")] + self._ulimits()
        owner = ["--label", f"{IMAGE}=modulux"]
        return self.argv(
            *self.runtime_words(),
            "build",
            *self.build_options,
            "--network",
            "host",
            *owner,
            *words,
            "--tag",
            reference,
            str(context),
        )

    build_options: tuple[str, ...] = ()

    # -- keeping -----------------------------------------------------------------------------------------------------

    def details(self, containers: Sequence[str]) -> list[Detail]:
        """A closer look at the containers; one that is not there is left out."""
        items = self._inspect("container", containers) if containers else []
        return [
            Detail(
                name=item["Name"].lstrip("/"),
                pid=int(item["State"]["Pid"]),
                image=item["Image"].removeprefix("sha256:"),
                volumes={m["Name"]: m["Destination"] for m in item["Mounts"] if m.get("Type") == "volume" and m["RW"]},
            )
            for item in items
        ]

    def volume_paths(self, volumes: Sequence[str]) -> dict[str, Path]:
        """Where each volume's files lie, for commands from `near_argv`; one that is not there is left out."""
        items = self._inspect("volume", list(volumes)) if volumes else []
        return {self._as_named(item).name: Path(item["Mountpoint"]) for item in items}

    def near_argv(self, command: Sequence[str]) -> list[str]:
        """`command` where it can read and write every volume, and UID 1000 of a container is 1000 (see `adopt`).

        Raises:
            HostError: this user cannot.
        """
        return list(command)

    def filled_volume_argv(self, volume: Volume) -> list[str]:
        """As `volume_argv`, for one that gets its content from us: the first container to mount it changes nothing in it."""
        return self.volume_argv(volume)

    def image_facts(self, references: Sequence[str]) -> dict[str, ImageFacts]:
        """What each image that is there says of itself, by the reference it was asked for by."""
        items = self._inspect("image", list(dict.fromkeys(references))) if references else []
        found = {tag: _facts(item) for item in items for tag in item.get("RepoTags") or []}
        return {reference: found[reference] for reference in references if reference in found}

    def image_ids(self, references: Sequence[str]) -> dict[str, str]:
        """The id, 64 hexadecimal digits, of each image that is there, by the reference it was asked for by."""
        items = self._inspect("image", list(dict.fromkeys(references))) if references else []
        ids = {tag: item["Id"].removeprefix("sha256:") for item in items for tag in item.get("RepoTags") or []}
        return {reference: ids[reference] for reference in references if reference in ids}

    def tag(self, image: str, reference: str) -> None:
        """Give the image (a reference or an id) another reference, which it may take from another image."""
        self.do(self.argv("tag", image, reference))

    def save_argv(self, references: Sequence[str]) -> list[str]:
        """The command that writes the images, uncompressed, as one `docker-archive` to its stdout; shared layers once."""
        return self.argv("save", *references)

    def load_argv(self) -> list[str]:
        """The command that reads images from its stdin, as `save_argv` of either engine wrote them."""
        return self.argv("load")

    # -- ending ------------------------------------------------------------------------------------------------------

    def stop(self, containers: Sequence[str], grace: int) -> None:
        """Ask the containers to end, all at once; SIGKILL after `grace` seconds."""
        self.do(self.argv("stop", "-t", str(grace), *containers))

    def remove(self, kind: str, names: Sequence[str]) -> None:
        """Remove containers, volumes, networks or images by name; containers are killed first if they still run."""
        if names:
            words = {"container": ["rm", "--force"], "image": ["rmi"]}.get(kind, [kind, "rm"])
            self.do(self.argv(*words, *names))

    def tidy(self, prefix: str) -> None:
        """Remove what a killed `run` left of containers whose names begin so, if it is less than a container."""

    def tidy_build(self, base: str, since: float) -> None:
        """Remove what an interrupted build on the image `base`, begun at `since` (epoch), left behind."""


def _facts(item: Mapping[str, Any]) -> ImageFacts:
    config = item["Config"]
    layers = tuple(layer.removeprefix("sha256:") for layer in item["RootFS"]["Layers"] or ())
    return ImageFacts(
        tuple(config.get("Entrypoint") or ()), tuple(config.get("Env") or ()), config.get("WorkingDir") or "/", layers
    )


def _reason(stderr: str) -> str:
    """The line that says why, among warnings and advice on usage: the first that speaks of an error, else the last.

    What it only announces ("2 errors occurred:") is the next.
    """
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and ("level=" not in line or "level=error" in line)]
    at = next((i for i, line in enumerate(lines) if "error" in line.lower()), len(lines) - 1)
    said = lines[at] if lines else ""
    return f"{said} {lines[at + 1].removeprefix('* ')}" if said.endswith("occurred:") and at + 1 < len(lines) else said


def _labels(labels: Mapping[str, str]) -> list[str]:
    return [w for k, v in labels.items() for w in ("--label", f"{k}={v}")]


def _address(address: str) -> str:
    return f"[{address}]" if ":" in address else address
