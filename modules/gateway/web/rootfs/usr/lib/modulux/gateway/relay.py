"""Carrying bytes between two ends, as fast as the slower one takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

CHUNK = 1 << 18
"""The most that is read at once, and a reader's buffer, in bytes: a whole small window of pixels."""

BROKEN = (OSError, EOFError)
"""How a connection fails when the other side does not end it in order, or takes too long."""


async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Copy until `source` ends; reading stops while `target` is full. Raises OSError when either breaks."""
    while data := await source.read(CHUNK):
        target.write(data)
        await target.drain()


async def until_either_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Run all; when one returns or fails, cancel the others. An unexpected failure is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for task, result in zip(tasks, results, strict=True):
        if task in done and isinstance(result, BaseException) and not isinstance(result, BROKEN):
            raise result


class Slots:
    """How many connections of one kind there are, and may be."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    @property
    def full(self) -> bool:
        return self.used >= self.limit

    def __enter__(self) -> None:
        self.used += 1

    def __exit__(self, *_: object) -> None:
        self.used -= 1
