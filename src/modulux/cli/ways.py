"""Showing the ways into a desktop; `up` and `open` both do."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console

from modulux.desktop.link import Ways


def me() -> str:
    """How this command line was called, to be typed again."""
    checkout = os.environ.get("MODULUX_CHECKOUT")
    if not checkout:
        return "modulux"
    return "./modulux" if Path.cwd() == Path(checkout) else f"{checkout}/modulux"


def show_ways(console: Console, name: str, into: Ways, flags: str) -> None:
    """The link and the VNC address, for a person; `flags` follow the name in what is to be typed."""
    if into.browser:
        console.print(f"  browser     {into.browser}", markup=False)
    if into.vnc_address:
        address, _, port = into.vnc_address.rpartition(":")
        console.print(f"  VNC client  {address}::{port}   password {into.vnc_password}", markup=False)
    if into.websocket:
        console.print(f"  own client  {into.websocket}", markup=False)
    if into.browser or into.vnc_address:
        console.print(f"              [dim]each is good once, for ten minutes; fresh ones: {me()} open {name}{flags}[/]")
