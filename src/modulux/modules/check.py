"""Judging a module as a user would meet it: contract, image, a desktop with it on, the security floor, its own tests."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from modulux import run
from modulux.desktop.down import down
from modulux.desktop.up import up
from modulux.engine.commandline import CommandLineEngine
from modulux.errors import FileError, ModuluxError, ResolveError
from modulux.images.build import Sources, build
from modulux.model.desktop import Desktop
from modulux.model.module import Role
from modulux.model.plan import Image, Plan
from modulux.report import Report
from modulux.resolve.catalog import Catalog, Found
from modulux.resolve.plan import HostFacts, resolve

NAME = "module-check"
"""The throw-away desktop that the module is started in."""


@dataclass(frozen=True)
class Verdict:
    """One thing that was judged; `found` says what was wrong, or what was seen."""

    what: str
    passed: bool
    found: str = ""


def judge(found: Found, catalog: Catalog, engine: CommandLineEngine, sources: Sources, report: Report) -> Iterator[Verdict]:
    """Verdicts, one after the other, until one that the rest stands on fails."""
    contract = contract_verdicts(found, catalog)
    yield from contract
    if not all(v.passed for v in contract):
        return
    if found.contract.role is Role.BASE:
        yield _try("image builds", lambda: _built(catalog.images([found.id]), catalog, engine, sources, report))
        return
    plan = resolve(try_out(found, catalog), catalog, HostFacts())
    container = next(c for c in plan.containers if c.module == found.id)
    built = _try("image builds", lambda: _built(plan.images, catalog, engine, sources, report))
    yield built
    if not built.passed:
        return
    try:
        started = _try("gets ready in a desktop", lambda: _started(engine, plan, report))
        yield started
        if started.passed:
            yield _inside(engine, container.name, "security floor, from inside", ["/usr/lib/modulux/floor"])
            yield from own_tests(engine, found, container.name)
    finally:
        with contextlib.suppress(ModuluxError):
            down(engine, NAME, report, volumes=True)


def contract_verdicts(found: Found, catalog: Catalog) -> list[Verdict]:
    """What can be said without an engine."""
    verdicts = [Verdict("contract reads", True, found.contract.summary)]
    folders = catalog.folders(found.id)
    file = next((f / "Containerfile" for f in folders if (f / "Containerfile").is_file()), None)
    if file is None:
        return [*verdicts, Verdict("Containerfile", False, "there is none, here or in the module that it is `like`")]
    lines = [line.strip() for line in file.read_text().splitlines() if line.strip() and not line.strip().startswith("#")]
    head = ["FROM scratch"] if found.contract.bootstrap else ["ARG BASE", "FROM ${BASE}"]
    verdicts.append(
        Verdict("Containerfile begins with " + ", ".join(head), lines[: len(head)] == head, lines[0] if lines else "empty")
    )
    users = [line.split()[1] for line in lines if re.match(r"USER\s", line)]
    user = users[-1] if users else "of the base"
    verdicts.append(Verdict("Containerfile ends as user 1000", user in {"1000", "1000:1000", "of the base"}, user))
    verdicts.append(_try("links stay inside the folder", lambda: catalog.tag(found.id)))
    return verdicts


SURROUNDINGS: tuple[dict[str, object], ...] = (
    {"display": "xvfb", "sessions": ["openbox"]},
    {"display": "wayland", "sessions": ["labwc"]},
    {"sessions": ["labwc"]},  # for a session that is its own display
    {"display": "xvfb", "sessions": ["openbox", {"module": "icewm", "arrange": "nested"}]},  # for a nested display
)
"""Small desktops; a module is tried out in the first that it fits."""


def try_out(found: Found, catalog: Catalog) -> Desktop:
    """A small desktop with the module in its place, and with the services that it requires.

    Raises:
        ResolveError: it fits none.
    """
    keys = {Role.SESSION: "sessions", Role.APP: "apps", Role.SERVICE: "services"}
    services = catalog.services(found.contract)
    refused: ResolveError | None = None
    for around in SURROUNDINGS:
        placed = {keys.get(found.contract.role, str(found.contract.role)): found.name}
        for fields in ({**around, "services": services, **placed}, {**around, "services": services}):
            try:
                desktop = Desktop.model_validate({"name": NAME, **fields})
                if any(c.module == found.id for c in resolve(desktop, catalog, HostFacts()).containers):
                    return desktop
            except ResolveError as error:
                refused = refused or error
    raise refused or ResolveError(f"`{found.id}` fits no desktop that it could be tried out in", file=found.file)


def own_tests(engine: CommandLineEngine, found: Found, container: str) -> Iterator[Verdict]:
    """Each executable in the module's `tests/`, run inside it; a script goes in by stdin, so that images hold no tests."""
    for path in sorted((found.folder / "tests").glob("*")):
        if path.is_file() and os.access(path, os.X_OK):
            yield run_inside(engine, container, path)


def run_inside(engine: CommandLineEngine, container: str, script: Path) -> Verdict:
    """Run a script in the module by the interpreter of its first line."""
    text = script.read_bytes()
    interpreter = text.split(b"\n", 1)[0].removeprefix(b"#!").decode().split() or ["/bin/sh"]
    done = run.run(engine.exec_argv(container, [*interpreter, "/dev/stdin"], stdin=True), input=text, timeout=120)
    said = (done.stdout + done.stderr).strip().splitlines()
    return Verdict(f"tests/{script.name}", done.ok, "" if done.ok else "\n".join(said[-5:]) or f"exit status {done.status}")


def _built(images: Sequence[Image], catalog: Catalog, engine: CommandLineEngine, sources: Sources, report: Report) -> str:
    built = build(images, catalog, engine, sources, report)
    return f"{len(built)} of {len(images)} images were built, the rest was there"


def _started(engine: CommandLineEngine, plan: Plan, report: Report) -> str:
    came = up(engine, plan, report, lambda: None)
    return f"with {len(came.started) - 1} others"


def _inside(engine: CommandLineEngine, container: str, what: str, command: list[str]) -> Verdict:
    done = run.run(engine.exec_argv(container, command), timeout=60)
    return Verdict(what, done.ok, (done.stdout + done.stderr).strip())


def _try(what: str, work: Callable[[], object]) -> Verdict:
    try:
        seen = work()
    except FileError as error:
        return Verdict(what, False, str(error))
    except ModuluxError as error:
        return Verdict(what, False, f"{error}\n{error.hint or ''}".strip())
    return Verdict(what, True, seen if isinstance(seen, str) else "")
