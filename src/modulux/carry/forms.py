"""The forms in which other systems take a plan, as files: what each is called, and what it holds."""

from __future__ import annotations

import io
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

from modulux.carry import compose, kubernetes, quadlet
from modulux.carry.record import made_by
from modulux.errors import HostError, UsageError
from modulux.model.plan import Plan


class Form(StrEnum):
    """Who takes it."""

    KUBERNETES = "kubernetes"
    COMPOSE = "compose"
    QUADLET = "quadlet"


def files(
    form: Form, plan: Plan, *, cluster: kubernetes.Cluster, ulimits: Mapping[str, int], name: str, folder: str = "."
) -> dict[str, str]:
    """Every file's content, by its name; the first is called `name` unless it is one of many.

    Args:
        folder: where they will lie.

    Raises:
        UsageError: the desktop cannot be had in that form.
    """
    match form:
        case Form.KUBERNETES:
            said = kubernetes.notes(plan)
            return {name: _yaml(kubernetes.manifests(plan, cluster), form, plan, said)}
        case Form.COMPOSE:
            return {name: _yaml([compose.project(plan, ulimits)], form, plan, []), **compose.profiles(plan)}
        case Form.QUADLET:
            return {**quadlet.units(plan, ulimits, folder), **compose.profiles(plan)}


def write(texts: Mapping[str, str], folder: Path) -> list[Path]:
    """Write the files into the folder, which is made; none of them may be there.

    Raises:
        UsageError: one is.
        HostError: they cannot be written.
    """
    paths = {folder / name: text for name, text in texts.items()}
    if taken := sorted(path for path in paths if path.exists()):
        raise UsageError(f"{taken[0]} is there already", hint="another place after -o; nothing is overwritten")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in paths.items():
            path.write_text(text)
            if "kind: Secret" in text:
                path.chmod(0o600)
    except OSError as error:
        raise HostError(f"{folder}: {error.strerror}", hint="may this user write there?") from None
    return list(paths)


def _yaml(documents: list[dict[str, Any]], form: Form, plan: Plan, said: list[str]) -> str:
    text = io.StringIO()
    for line in [f"The desktop `{plan.desktop}`, for {form.title()}, by {made_by()}.", *said]:
        text.write(f"# {line}\n")
    yaml = YAML()
    yaml.explicit_start = len(documents) > 1
    yaml.width = 4096
    yaml.dump_all([_readable(document) for document in documents], text)
    return text.getvalue()


def _readable(value: Any) -> Any:
    """Texts of several lines as such."""
    if isinstance(value, dict):
        return {key: _readable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(item) for item in value]
    return LiteralScalarString(value) if isinstance(value, str) and "\n" in value else value
