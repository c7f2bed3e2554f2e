"""Showing progress on stderr: bars on a terminal, plain lines in a log."""

from __future__ import annotations

import threading

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from modulux.report import Count, Event, Line, Note, Report, Step

BRIEF = 0.5
"""Seconds; a step that took less is not worth a line in a log."""


def renderer(*, verbose: bool) -> Report:
    """The one that fits where stderr goes."""
    console = Console(stderr=True, highlight=False, emoji=False)
    return _Terminal(console) if console.is_terminal and not verbose else _Plain(console, verbose)


class _Plain:
    def __init__(self, console: Console, verbose: bool) -> None:
        self.console = console
        self.verbose = verbose
        self.lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self.lock:
            match event:
                case Step(text=text, state="began"):
                    self._line(f"… {text}")
                case Step(text=text, state="done", seconds=seconds) if seconds >= BRIEF:
                    self._line(f"✓ {text} ({seconds:.1f} s)")
                case Step(text=text, state="failed"):
                    self._line(f"✗ {text}")
                case Note(text=text):
                    self._line(f"  {text}")
                case Count(done=done, total=total, text=text):
                    self._line(f"  {done} of {total} {text}")
                case Line(key=key, text=text) if self.verbose:
                    self._line(f"  {key}: {text}")

    def _line(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)


class _Terminal:
    """A bar for the whole, and a line for each step under way; what is done leaves a tick behind."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(24),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self.tasks: dict[str, TaskID] = {}
        self.total: TaskID | None = None
        self.lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self.lock:
            match event:
                case Step(key=key, text=text, state="began"):
                    self.progress.start()
                    self.tasks[key] = self.progress.add_task(text, total=None)
                case Step(key=key, text=text, state=state, seconds=seconds):
                    self._end(key)
                    mark = "[green]✓[/]" if state == "done" else "[red]✗[/]"
                    self.console.print(f"{mark} {escape(text)} [dim]{seconds:.1f} s[/]")
                case Count(done=done, total=total, text=text):
                    self._count(done, total, text)
                case Note(text=text):
                    self.console.print(f"  {text}", markup=False)

    def _end(self, key: str) -> None:
        if (task := self.tasks.pop(key, None)) is not None:
            self.progress.remove_task(task)
        if not self.tasks:
            self.progress.stop()

    def _count(self, done: int, total: int, text: str) -> None:
        if self.total is None:
            self.total = self.progress.add_task(text, total=total)
        self.progress.update(self.total, completed=done, total=total)
        if done == total:
            self.progress.remove_task(self.total)
            self.total = None
