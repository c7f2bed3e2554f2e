"""What bench finds out, as data: figures, their rows, and what was to be reached."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Series:
    """Values of one thing measured several times."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)

    def percentile(self, share: float) -> float:
        """The value that `share` (0 to 1) of all values do not exceed."""
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]

    def over(self, other: Series) -> Series:
        """The ratios, pair by pair: what was measured in the same round is compared."""
        return Series(tuple(a / b for a, b in zip(self.values, other.values, strict=True)))

    def minus(self, other: Series) -> Series:
        """The differences, pair by pair."""
        return Series(tuple(a - b for a, b in zip(self.values, other.values, strict=True)))

    def to_json(self) -> dict[str, Any]:
        return {"median": self.median, "min": self.low, "max": self.high, "values": list(self.values)}


@dataclass(frozen=True)
class Row:
    """One thing that was measured. `ours` rows are drawn in another colour than what they are compared with."""

    name: str
    series: Series
    ours: bool = True
    extra: dict[str, float] = field(default_factory=dict)
    unit: str | None = None  # where it is not the figure's

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ours": self.ours,
            **({"unit": self.unit} if self.unit else {}),
            **self.series.to_json(),
            **self.extra,
        }


@dataclass(frozen=True)
class Goal:
    """What was to be reached: `value` at most `limit`."""

    text: str
    value: float
    limit: float
    unit: str = ""

    @property
    def met(self) -> bool:
        return self.value <= self.limit

    def __str__(self) -> str:
        return f"{self.text}: {shown(self.value)}{self.unit} (at most {shown(self.limit)}{self.unit})"

    def to_json(self) -> dict[str, Any]:
        return {"text": self.text, "value": self.value, "limit": self.limit, "unit": self.unit.strip(), "met": self.met}


@dataclass(frozen=True)
class Figure:
    """One figure: rows in the same unit, and the goals that follow from them.

    key: its name in JSON and on the command line. `running` figures are drawn as a line over 1…n, others as bars.
    """

    key: str
    title: str
    unit: str
    rows: tuple[Row, ...]
    goals: tuple[Goal, ...] = ()
    notes: tuple[str, ...] = ()
    running: bool = False

    def row(self, name: str) -> Row:
        return next(row for row in self.rows if row.name == name)

    def to_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "unit": self.unit,
            "rows": [row.to_json() for row in self.rows],
            "goals": [goal.to_json() for goal in self.goals],
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Results:
    """All figures of one run, and the machine they were measured on."""

    machine: dict[str, Any]
    figures: tuple[Figure, ...]

    def to_json(self) -> dict[str, Any]:
        return {"machine": self.machine, "figures": {figure.key: figure.to_json() for figure in self.figures}}

    @property
    def missed(self) -> tuple[Goal, ...]:
        """Goals that were not reached."""
        return tuple(goal for figure in self.figures for goal in figure.goals if not goal.met)


def table(figure: Figure) -> Sequence[tuple[str, str, str]]:
    """The rows for a terminal: name, median, and from the lowest to the highest."""
    return [
        (
            row.name,
            f"{shown(row.series.median)} {row.unit or figure.unit}",
            f"{shown(row.series.low)} to {shown(row.series.high)}",
        )
        for row in figure.rows
    ]


def shown(value: float) -> str:
    """Three digits that matter."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
