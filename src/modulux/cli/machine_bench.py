"""`modulux machine bench`: how long a machine takes to boot, and where its seconds go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from modulux.cli.common import Common, Yes, ask
from modulux.cli.host import prepare_host


def bench_machine(
    *,
    rounds: Annotated[int, Parameter(help="boots of each")] = 3,
    alone: Annotated[bool, Parameter(help="without Debian beside it")] = False,
    picture: Annotated[Path | None, Parameter(name="--plot", help="an SVG file: where each second of a boot went")] = None,
    yes: Yes = False,
    common: Common | None = None,
) -> None:
    """Boot a machine with Xfce, and Debian with Xfce on the same kernel, in turn: seconds, memory, sizes.

    What was to be reached and was not is said, and in the JSON `met` is false; the exit status is 0 all the same.
    """
    from modulux.bench.machines import measure
    from modulux.cli.bench import show
    from modulux.cli.machines import ensure_built
    from modulux.errors import UsageError
    from modulux.host.packages import ensure
    from modulux.machine.offers import lacking
    from modulux.report import Note

    common = common or Common()
    if rounds < 1:
        raise UsageError(f"--rounds {rounds}: at least one")
    if picture and not picture.parent.is_dir():
        raise UsageError(f"--plot {picture}: no such folder", hint=f"mkdir -p {picture.parent}")
    ensure(lacking(), yes, ask)
    prepare_host(common, yes)
    folder = Path(__file__).parents[1] / "bench/boot"
    built, pc = (ensure_built(str(folder / f"{name}.yaml"), common) for name in ("machine", "pc"))
    base = common.catalog.reference("base/debian-13")
    found = measure(common.driver, built, pc, base, rounds=rounds, say=lambda line: common.report(Note(line)), alone=alone)
    common.result(found.results.to_json(), lambda console: show(console, found.results))
    if picture:
        picture.write_text(found.picture)
