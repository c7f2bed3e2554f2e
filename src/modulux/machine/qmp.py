"""QEMU's monitor (QMP, docs/interop/qmp-spec of QEMU): one JSON object a line, over a unix socket."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from modulux.errors import EngineError, NotFoundError


class Monitor:
    """A connection to the monitor of a virtual machine; ended with the context."""

    def __init__(self, path: Path, timeout: float = 30.0) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise NotFoundError("the virtual machine does not run", hint="modulux machine run") from None
        self.stream = self.socket.makefile("rwb")
        self._next()  # its greeting
        self.do("qmp_capabilities")

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stream.close()
        self.socket.close()

    def do(self, command: str, **arguments: Any) -> Any:
        """Run a command; what it returns.

        Raises:
            EngineError: QEMU refused it, or went away.
        """
        asked = {"execute": command} | ({"arguments": arguments} if arguments else {})
        self.stream.write(json.dumps(asked).encode() + b"\n")
        self.stream.flush()
        while True:
            answer = self._next()
            if "error" in answer:
                raise EngineError(f"QEMU: {answer['error'].get('desc', command)}")
            if "return" in answer:
                return answer["return"]

    def _next(self) -> dict[str, Any]:
        try:
            line = self.stream.readline()
        except TimeoutError:
            raise EngineError("QEMU does not answer") from None
        except OSError:
            line = b""
        if not line:
            raise EngineError("QEMU has ended")
        return dict(json.loads(line))

    # -- what a person does at a computer ----------------------------------------------------------------------------

    def picture(self, path: Path, screen: int = 0) -> None:
        """Write what the graphics card shows on one of its screens, as PNG."""
        self.do("screendump", filename=str(path), format="png", device="card", head=screen)

    def press(self, *keys: str, seconds: float = 0.05) -> None:
        """Press keys together (QKeyCode: `a`, `ret`, `shift`), hold them for so long, and let them go."""
        events = [{"type": "key", "data": {"down": True, "key": {"type": "qcode", "data": key}}} for key in keys]
        self.do("input-send-event", events=events)
        time.sleep(seconds)
        for event in reversed(events):
            event["data"]["down"] = False  # type: ignore[index]
        self.do("input-send-event", events=events[::-1])

    def point(self, x: float, y: float) -> None:
        """Move the tablet's pointer; 0 is left or top, 1 is right or bottom."""
        axes = (("x", x), ("y", y))
        self.do("input-send-event", events=[_axis(axis, round(value * 0x7FFF)) for axis, value in axes])

    def click(self, button: str = "left") -> None:
        for down in (True, False):
            self.do("input-send-event", events=[{"type": "btn", "data": {"down": down, "button": button}}])
            time.sleep(0.05)


def _axis(axis: str, value: int) -> dict[str, Any]:
    return {"type": "abs", "data": {"axis": axis, "value": value}}
