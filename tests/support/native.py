"""Words that a test's own `run` needs on this host, beside Modulux: the engine's choice may be one that does not work here."""

from __future__ import annotations

from modulux.host.limits import engine_workarounds


def run_words(engine: str) -> list[str]:
    """What goes after `run` or `create`: limits that can be had anywhere, and the runtime that the control groups allow."""
    words = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
    runtime = engine_workarounds(engine).runtime
    return ["--runtime", runtime, *words] if runtime else words
