"""Ways into a machine's desktops: each that has one is told, whatever becomes of the others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from modulux.cli.machine_open import ways
from modulux.errors import EngineError
from modulux.report import Event, Note, silent

PORTS = {6080: 50001, 6081: 50002}
RUNNING: Any = SimpleNamespace(control="door", at=lambda port: ("127.0.0.1", PORTS[port]) if port else None)
FACTS: dict[str, Any] = {
    "gateways": [
        {"desktop": "dark", "name": "modulux.dark.web", "ports": {"web": 6080}},
        {"desktop": "bright", "name": "modulux.bright.web", "ports": {"web": 6081}},
    ]
}


def answering(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    def ask(_: object, __: str, name: str, *___: str) -> list[str]:
        if name not in names:
            raise EngineError(f"{name} does not run")
        return ["/open?token=x"]

    monkeypatch.setattr("modulux.machine.control.ask", ask)


def test_one_gateway_that_does_not_run_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "modulux.bright.web")
    told: list[Event] = []
    assert ways(RUNNING, FACTS, told.append) == {"browser bright": "http://127.0.0.1:50002/open?token=x"}
    assert told == [Note("no way into dark: modulux.dark.web does not run")]


def test_it_is_refused_when_none_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch)
    with pytest.raises(EngineError, match="does not run"):
        ways(RUNNING, FACTS, silent)
