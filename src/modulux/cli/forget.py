"""`modulux forget`: let go of snapshots."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from modulux.cli.common import Common, DesktopName, Yes, confirm, counted
from modulux.cli.store import Store
from modulux.errors import UsageError
from modulux.keep.forget import Choice, choose
from modulux.keep.forget import forget as let_go
from modulux.keep.restic import OURS

Number = Annotated[int, Parameter(help="keep so many of the newest, one for each", group="Rules: what stays")]


def forget(
    *snapshots: str,
    desktop: Annotated[list[DesktopName] | None, Parameter(help="the rules judge only this desktop's")] = None,
    keep_last: Number = 0,
    keep_hourly: Number = 0,
    keep_daily: Number = 0,
    keep_weekly: Number = 0,
    keep_monthly: Number = 0,
    keep_yearly: Number = 0,
    dry_run: Annotated[bool, Parameter(help="only show what would go")] = False,
    no_prune: Annotated[bool, Parameter(help="do not free the room now")] = False,
    yes: Yes = False,
    store: Store | None = None,
    common: Common | None = None,
) -> None:
    """Let go of snapshots: those that are named, and of each desktop those that no rule keeps. Asks first.

    Parameters
    ----------
    snapshots
        as `modulux snapshots` lists them
    """
    common, store = common or Common(), store or Store()
    numbers = {
        "last": keep_last,
        "hourly": keep_hourly,
        "daily": keep_daily,
        "weekly": keep_weekly,
        "monthly": keep_monthly,
        "yearly": keep_yearly,
    }
    rules = {rule: number for rule, number in numbers.items() if number}
    if any(number < 0 for number in rules.values()) or not (rules or snapshots):
        raise UsageError("forget which?", hint="a snapshot, or a rule such as --keep-daily 7")
    repository = store.repository(common, yes=yes)
    every = repository.snapshots(OURS)
    named = [repository.among(every, word) for word in snapshots]
    choice = choose(repository, named, rules, desktop or [])
    others = 0
    if not dry_run and choice.gone:
        left = f"{counted(len(choice.kept), 'snapshot')} stay"
        confirm(
            f"{', '.join(s.short for s in choice.gone)}: {counted(len(choice.gone), 'snapshot')} would go, {left}. Go on?", yes
        )
    if not dry_run:
        others = let_go(repository, choice, common.report, prune=not no_prune)
        _drop_images(common, choice)
    data = {"forgotten": [s.id for s in choice.gone], "kept": [s.id for s in choice.kept], "others": others, "dry_run": dry_run}
    common.result(data, lambda console: _show(console, choice, dry_run=dry_run))


def _drop_images(common: Common, choice: Choice) -> None:
    from modulux.keep.upgrade import drop_kept

    drop_kept(common.driver, [s.id for s in choice.gone])


def _show(console: Console, choice: Choice, *, dry_run: bool) -> None:
    for s in choice.gone:
        console.print(f"{s.short}  {s.desktop}  {s.time.astimezone():%Y-%m-%d %H:%M}", markup=False)
    what = "would go" if dry_run else "are gone"
    console.print(f"{counted(len(choice.gone), 'snapshot')} {what}, {len(choice.kept)} stay.")
