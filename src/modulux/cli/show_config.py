"""`modulux show-config`: every setting, its value, and who set it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from modulux.cli.common import Common
from modulux.config import Settings
from modulux.paths import cache, config_file


def show_config(*, common: Common | None = None) -> None:
    """Show every setting, its value and where it comes from: flag, environment, file or default."""
    common = common or Common()
    loaded = common.loaded
    rows = []
    for name, field in Settings.model_fields.items():
        value = getattr(loaded.settings, name)
        shown = [str(v) for v in value] if isinstance(value, list) else value
        rows.append({"key": field.alias or name, "value": shown, "from": loaded.origin[name], "meaning": field.description})
    table = Table(box=None, pad_edge=False)
    for heading in ("KEY", "VALUE", "FROM", "MEANING"):
        table.add_column(heading)
    for row in rows:
        value = row["value"]
        text = ", ".join(value) if isinstance(value, list) else str(value or "-")
        table.add_row(str(row["key"]), text, str(row["from"]), str(row["meaning"] or ""))
    data = {
        "settings": rows,
        "file": str(config_file()),
        "cache": str(cache()),
        "modules": [str(r) for r in loaded.module_roots],
    }

    def show(console: Console) -> None:
        console.print(table)
        console.print(f"\nfile   {data['file']}\ncache  {data['cache']}", markup=False)

    common.result(data, show)
