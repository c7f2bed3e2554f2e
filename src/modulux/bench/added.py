"""A second session added to a desktop while somebody types in the first: what becomes of the keys."""

from __future__ import annotations

import json
import string
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from modulux import rfb, run
from modulux.bench import engine as eng
from modulux.bench.cli import CommandLine, desktop
from modulux.bench.figures import Figure, Goal, Row, Series
from modulux.engine.commandline import CommandLineEngine

NAME = "bench-added"
SOCKET = "/run/modulux/rfb/xfce.x11vnc.sock"
PLACE = (400, 400)  # within the window of `typed`
LETTERS = string.ascii_lowercase
EVERY = 0.05  # seconds from one key to the next
BEFORE, AFTER = 5.0, 3.0  # seconds of typing before the change, and after it is done
CASES = (("openbox", "shared"), ("openbox", "nested"), ("openbox", "separate"), ("plasma", "shared"))
Say = Callable[[str], None]
Key = tuple[str, float]  # a letter, and when it was sent or came


@dataclass(frozen=True)
class Arrived:
    """What became of keys: seconds that each that came took, how many never came, and how many came that nobody pressed."""

    seconds: tuple[float, ...]
    lost: int
    more: int

    @classmethod
    def of(cls, took: Sequence[float | None], more: int = 0) -> Arrived:
        seconds = tuple(second for second in took if second is not None)
        return cls(seconds, len(took) - len(seconds), more)


def measure(
    engine: CommandLineEngine, cli: CommandLine, folder: Path, say: Say, *, cases: Sequence[tuple[str, str]] = CASES
) -> Figure:
    """Type without a pause, and add each of the sessions meanwhile."""
    before: list[Arrived] = []
    during: dict[str, Arrived] = {}
    with cli.gone_after(NAME):
        for session, arrange in cases:
            say(f"added: typing while {session} is added, {arrange}")
            # Each anew: what a session left behind is not to be met by the next.
            cli.up(desktop(folder, NAME, apps=["typed"]))
            cli.build(desktop(folder, f"{NAME}-images", sessions=["xfce", {"module": session, "arrange": arrange}]))
            use = json.dumps({"module": session, "arrange": arrange})
            first, second = _typed(engine, lambda use=use: cli.swap(NAME, f"sessions+={use}"))  # type: ignore[misc]
            before.append(first)
            during[f"{session} is added, {arrange}"] = second
            cli.down(NAME)
    return _figure(before, during)


def _typed(engine: CommandLineEngine, change: Callable[[], None]) -> tuple[Arrived, Arrived]:
    """Type before and during the change; what became of the keys of each."""
    volume, container = f"modulux.{NAME}.rfb", f"modulux.{NAME}.typed"
    with eng.direct(engine, f"modulux.{NAME}.x11vnc", volume, SOCKET)[0] as client, ThreadPoolExecutor(1) as pool:
        for buttons in (0, 1, 0):
            client.pointer(*PLACE, buttons)
        time.sleep(0.5)
        sent = type_until(client, lambda: False, BEFORE)
        changed = len(sent)
        job = pool.submit(change)
        sent += type_until(client, job.done, 600, start=changed)
        sent += type_until(client, lambda: False, AFTER, start=len(sent))
        _raise(job)
        time.sleep(1)
    lines = run.run(engine.exec_argv(container, ["cat", "/tmp/typed"])).stdout.splitlines()
    came = [(letter, float(when)) for letter, when in (line.split() for line in lines)]
    took, more = arrived(sent, came)
    return Arrived.of(took[:changed]), Arrived.of(took[changed:], more)


def _raise(job: Future[None]) -> None:
    error = job.exception()
    if error is not None:
        raise error


def type_until(client: rfb.Client, done: Callable[[], bool], seconds: float, start: int = 0) -> list[Key]:
    """Press a key every twentieth of a second, a to z in turn, until it is done or the time is over; which, and when."""
    sent: list[Key] = []
    begin = time.monotonic()
    while not done() and len(sent) * EVERY < seconds:
        time.sleep(max(0.0, begin + len(sent) * EVERY - time.monotonic()))
        letter = LETTERS[(start + len(sent)) % len(LETTERS)]
        sent.append((letter, time.monotonic()))
        client.key(ord(letter), True)
        client.key(ord(letter), False)
    return sent


def arrived(sent: Sequence[Key], came: Sequence[Key]) -> tuple[list[float | None], int]:
    """Match what came with what was sent, in order.

    Returns:
        for each key that was sent the seconds that it took, None if it never came; and how many came that were not sent,
        such as a key that repeated itself as nobody let go of it.
    """
    took: list[float | None] = [None] * len(sent)
    at = more = 0
    for letter, when in came:
        # The letters go round, so one that is left out tells how many are missing; but none comes before it was sent.
        found = next((n for n in range(at, min(at + len(LETTERS) - 1, len(sent))) if sent[n][0] == letter), None)
        if found is None or sent[found][1] > when:
            more += 1
            continue
        took[found] = when - sent[found][1]
        at = found + 1
    return took, more


def _figure(before: Sequence[Arrived], during: dict[str, Arrived]) -> Figure:
    quiet = Arrived(tuple(s for each in before for s in each.seconds), sum(e.lost for e in before), sum(e.more for e in before))
    everything = {"before": quiet, **{f"while {name}": each for name, each in during.items()}}
    return Figure(
        "added",
        "From a key to the program, while a second session is added",
        "ms",
        tuple(
            Row(
                name,
                Series(tuple(second * 1000 for second in each.seconds or (float("nan"),))),
                ours=name != "before",
                extra={"lost": each.lost, "more": each.more, "sent": len(each.seconds) + each.lost},
            )
            for name, each in everything.items()
        ),
        (
            Goal("keys that were lost", sum(each.lost for each in during.values()), 0),
            Goal("keys that nobody pressed", sum(each.more for each in during.values()), 0),
        ),
        (
            "20 keys a second through x11vnc into a terminal on Xfce",
            *(
                f"{name}: {each.lost} of {each.lost + len(each.seconds)} keys lost"
                for name, each in everything.items()
                if each.lost
            ),
        ),
    )
