"""What the verbs that build and start need of the host."""

from __future__ import annotations

from modulux.cli.common import Common, ask
from modulux.engine.commandline import CommandLineEngine
from modulux.errors import EngineError, HostError
from modulux.host.packages import ensure_packages


def prepare_host(common: Common, yes: bool) -> None:
    """Name the host packages that the engine and the builds need and that are missing; install them after a yes."""
    ensure_packages(common.driver.name, yes, ask)
    must_answer(common.driver)


def must_answer(engine: CommandLineEngine) -> None:
    """Ask Docker's daemon for its version; Podman has none.

    Raises:
        HostError: it does not answer.
    """
    if engine.name != "docker":
        return
    try:
        engine.version()
    except EngineError as error:
        raise HostError(
            f"Docker does not answer: {error}",
            hint="start it (systemctl start docker), or --engine podman; modulux doctor tells more",
        ) from None
