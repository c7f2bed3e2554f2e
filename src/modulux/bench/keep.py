"""Keeping a home of 1 GB and 20,000 files, beside plain restic and what engines offer; how long the desktop stands still."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from modulux import run
from modulux.bench.cli import CommandLine, desktop
from modulux.bench.figures import Figure, Goal, Row, Series
from modulux.engine.commandline import CommandLineEngine
from modulux.errors import ModuluxError

NAME = "bench-keep"
FILES = 20_000
BYTES = 1_000_000_000
CHANGED = 100
"""One file of so many is changed between two backups."""

PASSWORD = "bench"  # noqa: S105  of a repository that lives for minutes


def measure(engine: CommandLineEngine, cli: CommandLine, folder: Path, rounds: int, say: Callable[[str], None]) -> Figure:
    """Each round: a full backup into an empty repository and one after 1 % has changed, by us and by restic alone.

    Raises:
        ModuluxError: restic is not there, or a backup failed.
    """
    if shutil.which("restic") is None:
        raise ModuluxError("restic is not installed", hint="apt-get install restic")
    (folder / "password").write_text(PASSWORD)
    with cli.gone_after(NAME):
        cli.up(desktop(folder, NAME, sessions=["openbox"]))
        home = engine.volume_paths([f"modulux.{NAME}.openbox.home"])[f"modulux.{NAME}.openbox.home"]
        say(f"filling its home with {BYTES // 10**6:,} MB in {FILES:,} files")
        made = _fill(home)
        bench = _Bench(engine, cli, folder, home, made)
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            bench.round(number)
        bench.others()
    return bench.figure()


class _Bench:
    def __init__(self, engine: CommandLineEngine, cli: CommandLine, folder: Path, home: Path, made: Sequence[Path]) -> None:
        self.engine = engine
        self.cli = cli
        self.folder = folder
        self.home = home
        self.made = made
        self.seconds: dict[str, list[float]] = {}
        self.frozen: list[float] = []
        self.shares: list[float] = []

    def round(self, number: int) -> None:
        """Ours first in one round, plain restic first in the next: whoever comes second finds the files in memory."""
        ways = [self._ours, self._plain]
        if number % 2:
            ways.reverse()
        for kind in ("full", "1 % changed"):
            for way in ways:
                os.sync()
                way(kind)
            if kind == "full":
                _change(self.made, number)
        for name in ("ours", "plain"):
            shutil.rmtree(self.folder / name)

    def _note(self, what: str, began: float) -> None:
        self.seconds.setdefault(what, []).append(time.monotonic() - began)

    def _ours(self, kind: str) -> None:
        where = ["--to", str(self.folder / "ours"), "--password-file", str(self.folder / "password")]
        if kind == "full":
            self._restic("ours", "init")  # as plain restic's is made beforehand
        began = time.monotonic()
        answer = self.cli.ask("backup", NAME, *where)
        self._note(f"backup, {kind}", began)
        self.frozen.append(float(answer["frozen"]))
        if kind != "full":
            self.shares.append(answer["added"] / answer["bytes"])

    def _plain(self, kind: str) -> None:
        if kind == "full":
            self._restic("plain", "init")
        began = time.monotonic()
        self._restic("plain", "backup", str(self.home))
        self._note(f"restic backup, {kind}", began)

    def _restic(self, where: str, *words: str) -> None:
        env = {"RESTIC_REPOSITORY": str(self.folder / where), "RESTIC_PASSWORD": PASSWORD}
        _must(run.run(["restic", "--quiet", *words], env=env))

    def others(self) -> None:
        """What engines offer: a container's own files, or a volume's."""
        began = time.monotonic()
        container = f"modulux.{NAME}.openbox"
        for done in run.joined(self.engine.argv("export", container), ["zstd", "--quiet", "--stdout"]):
            _must(done)
        self._note(f"{self.engine.name} export | zstd (without the home)", began)
        if self.engine.name == "podman":
            began = time.monotonic()
            target = str(self.folder / "volume.tar")
            _must(run.run(self.engine.argv("volume", "export", "--output", target, f"modulux.{NAME}.openbox.home")))
            self._note("podman volume export", began)

    def figure(self) -> Figure:
        """The figure."""
        rows = [Row(what, Series(tuple(values)), ours=what.startswith("backup")) for what, values in self.seconds.items()]
        by_name = {row.name: row.series for row in rows}
        full, part = by_name["backup, full"], by_name["backup, 1 % changed"]
        plain, plain_part = by_name["restic backup, full"], by_name["restic backup, 1 % changed"]
        rows.append(Row("the desktop stands still", Series(tuple(self.frozen))))
        return Figure(
            "keep",
            f"keeping a home of {BYTES // 10**6:,} MB in {FILES:,} files",
            "s",
            tuple(rows),
            (
                Goal("1 % changed against a full backup", part.over(full).median, 0.08),
                Goal("bytes stored for 1 % changed, of all", Series(tuple(self.shares)).median, 0.03),
                Goal("a full backup against plain restic", full.over(plain).median, 1.1),
                Goal("the longest time that the desktop stands still", max(self.frozen), 1.0, " s"),
            ),
            (f"plain restic itself: 1 % changed against full {plain_part.over(plain).median:.2f}",),
        )


def _must(done: run.Completed) -> None:
    if not done.ok:
        raise ModuluxError(f"{done.argv[0]} ended with {done.status}: {done.stderr.strip()[-300:]}")


def _fill(home: Path) -> list[Path]:
    """Half of the files text, half what cannot be compressed, of sizes as they occur; the same each time."""
    chance = random.Random(1)  # noqa: S311
    words = [bytes(chance.choices(range(97, 123), k=chance.randint(3, 9))) for _ in range(3000)]
    made = []
    for number in range(FILES):
        folder = home / f"bench/{number % 40:02}/{number // 40 % 10}"
        folder.mkdir(parents=True, exist_ok=True)
        size = int(chance.lognormvariate(0, 1) * BYTES / FILES / 1.65)
        text = b" ".join(chance.choices(words, k=size // 7 + 1))[:size] if number % 2 else chance.randbytes(size)
        path = folder / f"{number:05}"
        path.write_bytes(text)
        made.append(path)
    for path in [home / "bench", *(home / "bench").rglob("*")]:
        os.chown(path, 1000, 1000)
    return made


def _change(made: Sequence[Path], number: int) -> None:
    """Other content for one file of a hundred."""
    chance = random.Random(number)  # noqa: S311
    for path in made[number::CHANGED]:
        path.write_bytes(chance.randbytes(path.stat().st_size))
