"""A desktop's processes stand still for a moment, so that its files are those of one moment.

Only containers that can write what is kept are stopped: display, viewer and gateway go on, and no connection is lost. Whatever
becomes of this process, they go on again: the helper that stops them waits for its end.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from modulux import run
from modulux.engine.files import HOLD
from modulux.engine.protocol import Detail, Engine
from modulux.errors import EngineError


@dataclass
class Moment:
    """How long they stood still, in seconds; 0 as long as they do."""

    seconds: float = 0.0


class Hold:
    """Ready to let containers stand still."""

    def __init__(self, tell: IO[bytes], hear: IO[bytes]) -> None:
        self._tell = tell
        self._hear = hear

    def say(self, word: bytes) -> None:
        """Say a word and wait for its answer.

        Raises:
            EngineError: it could not be done.
        """
        with contextlib.suppress(BrokenPipeError):
            self._tell.write(word + b"\n")
        if self._hear.readline().strip() != word:
            raise EngineError(f"the containers' processes: `{word.decode()}` failed", hint="--debug shows the command")

    @contextlib.contextmanager
    def frozen(self) -> Iterator[Moment]:
        """They stand still for as long as the context.

        Raises:
            EngineError: they cannot be stopped.
        """
        moment, began = Moment(), time.monotonic()
        try:
            self.say(b"freeze")
            yield moment
        finally:
            self.say(b"thaw")
            moment.seconds = time.monotonic() - began


@contextlib.contextmanager
def hold(engine: Engine, containers: Sequence[Detail], targets: Sequence[str]) -> Iterator[Hold]:
    """Make ready for the containers to stand still; what a killed run left standing goes on now.

    Args:
        targets: where they see what is to be kept.
    """
    words = [*(str(c.pid) for c in containers), "--", *targets]
    with run.pipe(engine.near_argv([*HOLD, *words])) as helper:
        assert helper.stdin is not None
        assert helper.stdout is not None
        held = Hold(helper.stdin, helper.stdout)
        held.say(b"begin")
        try:
            yield held
        finally:
            helper.stdin.close()  # it ends with that alone: signals would leave somebody standing
