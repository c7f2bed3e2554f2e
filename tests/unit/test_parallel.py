"""Work along a graph."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modulux.parallel import along


@given(st.dictionaries(st.integers(0, 12), st.sets(st.integers(0, 12)), max_size=12))
def test_each_once_and_after_what_it_depends_on(raw: dict[int, set[int]]) -> None:
    graph = {key: {d for d in depends if d in raw and d < key} for key, depends in raw.items()}
    order: list[int] = []
    lock = threading.Lock()

    def work(key: int) -> int:
        with lock:
            order.append(key)
        return key * 2

    assert along(graph, work) == {key: key * 2 for key in graph}
    assert sorted(order) == sorted(graph)
    assert all(order.index(d) < order.index(key) for key, depends in graph.items() for d in depends)


def test_an_error_stops_what_depends_on_it() -> None:
    done = []

    def work(key: str) -> None:
        if key == "bad":
            raise ValueError(key)
        done.append(key)

    with pytest.raises(ValueError, match="bad"):
        along({"bad": set(), "after": {"bad"}}, work)
    assert "after" not in done


def test_of_those_that_could_be_next_the_first_in_the_graph_is() -> None:
    order: list[str] = []
    along({"volume": set(), "late": set(), "session": {"volume"}, "app": set()}, order.append, workers=1)
    assert order == ["volume", "late", "session", "app"]
