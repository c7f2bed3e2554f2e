"""What the engines have in common: a command line that reaches them, and what a move asks of it."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from modulux import run
from modulux.errors import EngineError, StorageError
from modulux.host.limits import engine_workarounds
from modulux.storage import probe, service
from modulux.storage.facts import Facts, Held, Inventory
from modulux.storage.mounts import below, mounts, on_itself

COMMAND = 300.0
"""Seconds that one command of an engine may take; stopping a container may wait for the container's own patience."""


class Driver:
    """An engine driven by its command line, as `facts` say that it is reached."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    # -- asking ------------------------------------------------------------------------------------------------------

    def attempt(self, *words: str, timeout: float = COMMAND) -> run.Completed:
        """Run one of the engine's commands, whatever comes of it."""
        try:
            return run.run([*self.facts.client, *words], env=self.facts.environment, timeout=timeout)
        except FileNotFoundError:
            raise EngineError(f"`{self.facts.client[0]}` is not installed", hint="modulux doctor") from None

    def do(self, *words: str, timeout: float = COMMAND) -> str:
        """Run one of the engine's commands; its stdout.

        Raises:
            EngineError: it failed.
        """
        done = self.attempt(*words, timeout=timeout)
        if not done.ok:
            said = [line for line in done.stderr.splitlines() if line.strip()]
            raise EngineError(f"{self.facts.name}: `{' '.join(words)[:120]}`: {said[-1] if said else f'status {done.status}'}")
        return done.stdout

    def answers(self) -> bool:
        """Whether the engine can be asked."""
        raise NotImplementedError

    def inventory(self) -> Inventory:
        """All that it holds now, without our own probe."""
        raise NotImplementedError

    # -- stopping and starting ---------------------------------------------------------------------------------------

    def stop_container(self, container: Held) -> None:
        self.do("stop", container.id)

    def start_container(self, container: Held) -> None:
        self.do("start", container.id)

    def daemons(self) -> list[int]:
        """Its daemon's processes where no service manager has started them."""
        return []

    def stopped(self) -> bool:
        """Whether nothing of it runs."""
        return not self.answers()

    def stop_containers(self, running: Sequence[Held]) -> None:
        """Stop containers, the one that was started last first."""
        for container in reversed(running):
            self.stop_container(container)

    def untouched(self) -> bool:
        """Whether nobody has started it since it was stopped; asked while `hold` is in force."""
        return self.stopped()

    def halt(self) -> None:
        """Stop the daemon, and let go of what was mounted."""
        service.stop(self.facts.service, self.facts.user, self.daemons)
        self.let_go(self.facts.root)

    def hold(self, tree: Path) -> AbstractContextManager[None]:  # noqa: ARG002  most know no way
        """Keep everybody from using the data in `tree` while they are copied the last time, as far as the engine knows a way.

        `tree` need not be where the engine sees it: what is mounted there may have to be unmounted meanwhile.
        """
        return contextlib.nullcontext()

    def start(self, log: Path) -> bool:
        """Start the daemon; whether it answers then."""
        return self.answers() or service.start(self.facts.service, self.facts.user, log, self.answers)

    def start_containers(self, running: Sequence[Held]) -> list[str]:
        """Start those that do not run already; what could not be started, and why."""
        failed: dict[str, str] = {}
        for attempt in range(len(running) + 1):  # one may need another that comes after it
            now = {c.id for c in self.inventory().running}
            before, failed = failed, {}
            for container in running:
                if container.id not in now:
                    try:
                        self.start_container(container)
                    except EngineError as error:
                        failed[container.name] = str(error)
            if not failed or (attempt and len(failed) == len(before)):
                break
        return [f"container {name} does not start: {why}" for name, why in failed.items()]

    # -- trying ------------------------------------------------------------------------------------------------------

    def probe(self) -> str | None:
        """Load a tiny image, run it, remove it: whether the engine really works where its data lie now.

        Returns:
            why it does not, None when it does, or when this machine's kind has no probe.
        """
        if not probe.known():
            return None
        with tempfile.TemporaryDirectory(prefix="modulux-probe-") as name:
            folder = Path(name)
            folder.chmod(0o755)
            file = folder / "probe.tar"
            file.write_bytes(probe.archive())
            file.chmod(0o644)
            try:
                self._try(file)
            except EngineError as error:
                return f"a container could not be run: {error}"
            finally:
                self._forget()
        return None

    def _try(self, file: Path) -> None:
        self.do("load", "--input", str(file))
        found = engine_workarounds(self.facts.engine)
        limits = [word for name, limit in sorted(found.ulimits.items()) for word in ("--ulimit", f"{name}={limit}:{limit}")]
        runtime = ["--runtime", found.runtime] if found.runtime else []
        self.do(*self.runtime_words(runtime), "run", "--rm", "--network", "none", *limits, probe.NAME)

    def runtime_words(self, words: list[str]) -> list[str]:
        """Which runtime to take, in the engine's words before the verb."""
        return words

    def _forget(self) -> None:
        self.attempt("image", "rm", "--force", probe.NAME)

    # -- what holds on to the tree -----------------------------------------------------------------------------------

    def let_go(self, root: Path) -> None:
        """Undo the engine's own mounts below its root, and those of the root on itself.

        Raises:
            StorageError: something is still mounted there.
        """
        for mount in below(root):
            if on_itself(mount) or mount.fstype in {"overlay", "tmpfs", "nsfs", "fuse.fuse-overlayfs"}:
                run.run(["umount", str(mount.point)])
        listed = mounts()
        for mount in [m for m in listed if m.point == root and on_itself(m, listed)]:
            run.run(["umount", str(mount.point)])
        if left := below(root):
            raise StorageError(
                f"{left[0].point} is still mounted ({left[0].fstype}) after {self.facts.name} was stopped",
                hint=f"see who uses it: fuser -vm {left[0].point}",
            )
