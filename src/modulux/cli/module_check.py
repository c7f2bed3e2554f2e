"""`modulux module check`: is this folder a module?"""

from __future__ import annotations

import dataclasses
import sys
import textwrap
from pathlib import Path

from modulux.cli.common import Common, Yes, stdout
from modulux.cli.host import prepare_host
from modulux.errors import FileError
from modulux.modules.check import Verdict, judge
from modulux.resolve.catalog import Catalog


def check(folder: Path, *, yes: Yes = False, common: Common | None = None) -> None:
    """Judge a module: its contract, its image, whether it gets ready in a desktop, the security floor, its own tests.

    Ends with 1 if anything failed. The desktop that it is tried in is removed again.

    Parameters
    ----------
    folder
        the module's folder, `…/role/name`
    """
    common = common or Common()
    folder = folder.resolve()
    if not (folder / "module.yaml").is_file():
        raise FileError(
            "has no module.yaml, so it is no module", file=str(folder), hint="modulux module new role/name writes one"
        )
    catalog = Catalog([folder.parent.parent, *common.loaded.module_roots])
    found = catalog.module("/".join(folder.parts[-2:]))
    prepare_host(common, yes)
    verdicts = []
    for verdict in judge(found, catalog, common.driver, common.sources, common.report):
        verdicts.append(verdict)
        if not common.json:
            _show(verdict)
    if common.json:
        common.result([dataclasses.asdict(v) for v in verdicts], lambda _: None)
    sys.exit(0 if all(v.passed for v in verdicts) else 1)


def _show(verdict: Verdict) -> None:
    stdout.print(f"{'[green]pass[/]' if verdict.passed else '[red]FAIL[/]'}  {verdict.what}")
    if verdict.found:
        stdout.print(textwrap.indent(verdict.found, "      "), markup=False)
