"""Work along a dependency graph, as parallel as the graph and the number of workers allow."""

from __future__ import annotations

import graphlib
import heapq
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from modulux import run

K = TypeVar("K")
T = TypeVar("T")


def along(graph: Mapping[K, set[K]], work: Callable[[K], T], *, workers: int = 8) -> dict[K, T]:
    """Call `work` for every key, each after those it depends on; the results by key.

    Of the keys that could be next, the one that comes first in `graph` is: where workers are few, its order is the priority.
    The first exception stops new work; it is raised once what was under way has ended. An interrupt also ends the processes
    under way.
    """
    sorter = graphlib.TopologicalSorter(graph)
    sorter.prepare()
    rank = {key: position for position, key in enumerate(graph)}
    by_rank = {position: key for key, position in rank.items()}
    waiting: list[int] = []
    pending: dict[Future[T], K] = {}
    results: dict[K, T] = {}
    with ThreadPoolExecutor(max_workers=workers) as pool:
        try:
            while sorter.is_active():
                for key in sorter.get_ready():
                    heapq.heappush(waiting, rank[key])
                while waiting and len(pending) < workers:
                    key = by_rank[heapq.heappop(waiting)]
                    pending[pool.submit(work, key)] = key
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    key = pending.pop(future)
                    results[key] = future.result()
                    sorter.done(key)
        except BaseException as error:
            if not isinstance(error, Exception):
                run.end_all()
            raise
    return results


def each(keys: Sequence[K], work: Callable[[K], T], *, workers: int = 8) -> dict[K, T]:
    """Call `work` for every key, in parallel."""
    return along({key: set() for key in keys}, work, workers=workers)
