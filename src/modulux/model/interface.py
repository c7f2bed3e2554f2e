"""Interfaces: the typed sockets and shares by which modules meet (`modules/interfaces/*.yaml`)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from modulux.model.base import Model


class Outer(Model):
    """Where a module that takes an interface and provides it too (a nested display) finds the one that it takes."""

    volume: str = Field(pattern="^/")
    env: dict[str, str] = Field(default_factory=dict)


class Interface(Model):
    """How a provider and its clients meet."""

    summary: str
    volume: str | None = Field(default=None, pattern="^/", description="where the provider's volume is mounted in both")
    shared: bool = Field(
        default=False, description="one volume for the whole desktop, in which each provider has its own socket"
    )
    per: Literal["desktop", "screen"] = Field(
        default="desktop", description="of shared ones: one volume for the desktop, or one for each of its screens"
    )
    clients: Literal["read-only", "read-write"] = "read-only"
    kept: bool = Field(default=False, description="data that `down` keeps")
    socket: str | None = Field(default=None, pattern="^/", description="accepts connections once the provider is up")
    asked: str | None = Field(
        default=None, pattern="^/", description="a program that clients ask, ten seconds at most, whether the provider is up"
    )
    outer: Outer | None = None
    ipc: bool = Field(default=False, description="clients join the provider's IPC namespace")
    many: bool = Field(default=False, description="may be provided more than once in a desktop; clients take the first")
    port: int | None = Field(default=None, ge=1, le=65535, description="a TCP port, published on the host's loopback")
    env: dict[str, str] = Field(default_factory=dict, description="set in provider and clients")
