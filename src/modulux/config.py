"""Settings: flags over environment over the user's file over defaults; each knows where its value came from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from modulux.errors import UsageError
from modulux.model.base import Model
from modulux.paths import config_file, shipped
from modulux.resolve.files import load, validate


class Settings(Model):
    """What may stand in `~/.config/modulux/config.yaml`; each key also as `MODULUX_…` in the environment."""

    engine: Literal["podman", "docker"] | None = Field(default=None, description="the one that is there, Podman first")
    modules: list[Path] = Field(
        default_factory=list, description="folders of your own modules, searched before the shipped ones"
    )
    mirror: str | None = Field(default=None, pattern="^(https?|file|copy):/", description="a mirror of the Debian archive")
    repository: str | None = Field(default=None, description="where snapshots are kept: a folder, or sftp:…, s3:…, rest:…")
    password_file: Path | None = Field(default=None, description="holds the repository's password")
    password_command: str | None = Field(default=None, description="prints the repository's password")
    apt_proxy: str | None = Field(default=None, pattern="^http://", description="a proxy that keeps packages between builds")


@dataclass(frozen=True)
class Loaded:
    """The settings, and for each key who set it: `flag`, a variable's name, the file's path, or `default`."""

    settings: Settings
    origin: dict[str, str]

    @property
    def module_roots(self) -> list[Path]:
        return [*self.settings.modules, shipped("modules")]


def load_settings(flags: Mapping[str, object], environment: Mapping[str, str] | None = None) -> Loaded:
    """Settle every key.

    Args:
        flags: what the command line said, by key; None or empty: it said nothing.

    Raises:
        FileError: the file, a variable or a flag does not fit.
        UsageError: a folder of modules on the command line is none.
    """
    environment = os.environ if environment is None else environment
    path = config_file()
    values: dict[str, object] = {}
    origin: dict[str, str] = {}
    if path.is_file():
        from_file = load(path, Settings)
        for name in from_file.model_fields_set:
            values[name], origin[name] = getattr(from_file, name), str(path)
    for name in Settings.model_fields:
        variable = f"MODULUX_{name.upper()}"
        if word := environment.get(variable):
            value: object = word.split(os.pathsep) if name == "modules" else word
            values[name], origin[name] = getattr(validate({name: value}, Settings, f"${variable}"), name), variable
        if flags.get(name):
            values[name], origin[name] = getattr(validate({name: flags[name]}, Settings, f"--{name}"), name), "flag"
    if origin.get("modules") == "flag":
        _must_be_folders(values["modules"])
    settings = Settings.model_validate(values)
    return Loaded(settings, {name: origin.get(name, "default") for name in Settings.model_fields})


def _must_be_folders(paths: object) -> None:
    for path in paths if isinstance(paths, list) else []:
        if not Path(path).is_dir():
            raise UsageError(f"--modules {path}: no such folder", hint="a folder that holds role/name/module.yaml")
