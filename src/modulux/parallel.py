"""Work along a dependency graph, as parallel as the graph and the number of workers allow."""

from __future__ import annotations

import graphlib
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from modulux import run

K = TypeVar("K")
T = TypeVar("T")


def along(graph: Mapping[K, set[K]], work: Callable[[K], T], *, workers: int = 8) -> dict[K, T]:
    """Call `work` for every key, each after those it depends on; the results by key.

    The first exception stops new work; it is raised once what was under way has ended. An interrupt also ends
    the processes under way.
    """
    sorter = graphlib.TopologicalSorter(graph)
    sorter.prepare()
    results: dict[K, T] = {}
    pending: dict[Future[T], K] = {}
    with ThreadPoolExecutor(max_workers=workers) as pool:
        try:
            while sorter.is_active():
                for key in sorter.get_ready():
                    pending[pool.submit(work, key)] = key
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    key = pending.pop(future)
                    results[key] = future.result()
                    sorter.done(key)
        except BaseException as error:
            for future in pending:
                future.cancel()
            if not isinstance(error, Exception):
                run.end_all()
            raise
    return results


def each(keys: list[K], work: Callable[[K], T], *, workers: int = 8) -> dict[K, T]:
    """Call `work` for every key, in parallel."""
    return along({key: set() for key in keys}, work, workers=workers)
