"""`modulux bench`: speed, memory and size of desktops, measured beside what one would use instead."""

from modulux.bench.cli import MODULES
from modulux.bench.figures import Figure, Goal, Results, Row, Series
from modulux.bench.measure import FIGURES, Options, measure, usual
from modulux.bench.plot import svg

__all__ = ["FIGURES", "MODULES", "Figure", "Goal", "Options", "Results", "Row", "Series", "measure", "svg", "usual"]
