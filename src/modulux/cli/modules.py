"""`modulux modules`: what there is to choose from."""

from __future__ import annotations

from rich.table import Table

from modulux.cli.common import Common
from modulux.errors import UsageError
from modulux.model.module import Role
from modulux.resolve.files import close_to


def modules(role: str | None = None, *, common: Common | None = None) -> None:
    """List the modules, with what each provides and requires.

    Parameters
    ----------
    role
        only this role: base, display, viewer, session, app, gateway …
    """
    common = common or Common()
    if role is not None and role not in list(Role):
        raise UsageError(f"no role `{role}`", hint=close_to(role, list(Role)) or f"roles: {', '.join(Role)}")
    found = [common.catalog.module(id) for id in common.catalog.ids if role in (None, id.partition("/")[0])]
    rows = [
        {
            "module": f.id,
            "summary": f.contract.summary,
            "base": f.contract.base,
            "provides": f.contract.provides,
            "requires": f.contract.requires,
            "uses": f.contract.uses,
            "network": f.contract.network,
            "params": {n: p.model_dump() for n, p in f.contract.params.items()},
            "image": common.catalog.reference(f.id),
            "folder": str(f.folder),
        }
        for f in found
    ]
    table = Table(box=None, pad_edge=False)
    for heading in ("MODULE", "WHAT IT IS", "PROVIDES", "REQUIRES", "PARAMETERS"):
        table.add_column(heading)
    for f in found:
        c = f.contract
        table.add_row(f.id, c.summary, ", ".join(c.provides), ", ".join(c.requires), ", ".join(c.params))
    common.result(rows, lambda console: console.print(table))
