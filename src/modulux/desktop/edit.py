"""Changing a running desktop's file: `viewer=x11vnc`, `viewer+=x11vnc-view`, `apps-=firefox`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from modulux.desktop.state import Found, Module, existing
from modulux.engine.protocol import Engine
from modulux.errors import NotFoundError, UsageError
from modulux.model.desktop import Desktop
from modulux.model.module import Role
from modulux.resolve.files import close_to, validate

LISTS = ("viewer", "sessions", "apps", "services")
"""Keys that hold several modules, and so can be added to and taken from."""

FIXED = ("name",)
"""Keys that are what a desktop is known by."""


def file_of(engine: Engine, name: str) -> tuple[Found, Desktop]:
    """What runs under the name, and the desktop file that it was last made from.

    Raises:
        NotFoundError: no such desktop runs.
    """
    found = existing(engine, name)
    if not found.desktop_file:
        raise NotFoundError(f"`{name}` was not started by this version of Modulux", hint=f"modulux down {name}, then up again")
    return found, validate(found.desktop_file, Desktop, f"the desktop `{name}`")


def edited(found: Found, edits: Sequence[str]) -> Desktop:
    """The running desktop's file with `edits`, each `KEY=VALUE`, `KEY+=VALUE` or `KEY-=VALUE`; values are YAML.

    Raises:
        UsageError: an edit cannot be read, or takes away what is not there.
        FileError: what comes out is no desktop file.
    """
    data = dict(found.desktop_file)
    for edit in edits:
        _edit(data, edit, found)
    return validate(data, Desktop, f"the desktop `{found.desktop}`")


def without_app(found: Found, app: Module) -> Desktop:
    """The running desktop's file without this app; the same app of another session stays."""
    data = dict(found.desktop_file)
    module = app.id.partition("/")[2]

    def same(use: Any) -> bool:
        session = use.get("session") if isinstance(use, dict) else None
        return _module(use) == module and app.session in {session or found.first_screen, module}

    data["apps"] = [use for use in data.get("apps", []) if not same(use)]
    return validate(data, Desktop, f"the desktop `{found.desktop}`")


def _edit(data: dict[str, Any], edit: str, found: Found) -> None:
    match = re.fullmatch(r"([a-z]+(?:-[a-z]+)*)([+-]?=)(.*)", edit, re.DOTALL)
    if not match:
        raise UsageError(f"`{edit}` changes nothing", hint="such as viewer=x11vnc, viewer+=x11vnc-view or apps-=firefox")
    key, how, text = match.groups()
    known = [field.alias or name for name, field in Desktop.model_fields.items()]
    if key not in known or key in FIXED:
        raise UsageError(
            f"a running desktop has no `{key}` to change", hint=close_to(key, known) or f"keys: {', '.join(known)}"
        )
    value = _value(edit, text)
    if how == "=":
        data[key] = value
        return
    if key not in LISTS:
        raise UsageError(f"`{key}` holds one value", hint=f"{key}={text}; several can be in {', '.join(LISTS)}")
    values = value if isinstance(value, list) else [value]
    there = _listed(data, key, found)
    if how == "+=":
        data[key] = [*there, *values]
        return
    for gone in values:
        left = [use for use in there if _module(use) != gone]
        if len(left) == len(there):
            raise UsageError(f"`{key}` holds no `{gone}`", hint=f"it holds: {', '.join(map(_module, there)) or 'nothing'}")
        there = left
    data[key] = there


def _value(edit: str, text: str) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        raise UsageError(f"`{edit}`: the value is not YAML", hint="a name, or '{module: NAME, PARAMETER: VALUE}'") from None


def _listed(data: dict[str, Any], key: str, found: Found) -> list[Any]:
    """What the key holds now; the viewers that a display brought along by default are those that run."""
    value = data.get(key)
    if value is None and key == "viewer":
        main = _module(data["sessions"][0])
        return sorted(m.id.partition("/")[2] for m in found.modules.values() if m.role == Role.VIEWER and m.screen == main)
    return list(value) if isinstance(value, list) else [] if value is None else [value]


def _module(use: Any) -> str:
    return str(use["module"] if isinstance(use, dict) else use)
