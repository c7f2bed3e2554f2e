"""The tasks: move, undo, commit; each goes on from wherever it was left."""

from __future__ import annotations

import contextlib
from typing import Any

from modulux import run
from modulux.errors import ModuluxError, NotFoundError, StorageError
from modulux.report import Note, Report, step
from modulux.storage import journal as record
from modulux.storage import switch
from modulux.storage.journal import Journal, Step, Task
from modulux.storage.leg import TEXTS, Leg, StartError, flatten, remove_tree
from modulux.storage.shown import mounted
from modulux.storage.tree import Verified


def go_on(journal: Journal, report: Report) -> tuple[Journal, Verified | None]:
    """Carry a task to its end: a move to where it waits for commit or undo, an undo or a commit to where nothing is left.

    Raises:
        ModuluxError: it could not be; the engine runs where it ran before, or the hint says what to do.
    """
    leg = Leg(journal, report)
    with run.one_interrupt():
        leg.resume()
        try:
            _task(leg)
        except BaseException as error:
            _in_order(leg, error)
            raise
    return leg.journal, leg.verified


def _task(leg: Leg) -> None:
    task = leg.journal.task
    if task is Task.MOVE:
        leg.walk()
        if leg.journal.step is not Step.DONE:
            leg.save(step=Step.DONE, error=None)
        leg.tell("moved; waits for commit or undo")
    elif task is Task.BACK:
        if leg.journal.step is not Step.CLEAN:
            leg.walk()
        _clean_back(leg)
    elif task is Task.ABANDON:
        _abandon(leg)
    else:
        _commit(leg)


def _in_order(leg: Leg, error: BaseException) -> None:
    """After an error, even one of our own making: the engine runs again, where its data are, and the record says so.

    Raises:
        StorageError: with what went wrong, and what was done about it.
    """
    j, why = leg.journal, flatten(error)
    hint = error.hint if isinstance(error, ModuluxError) else None
    try:
        if (
            j.task in (Task.MOVE, Task.BACK)
            and not leg.through()
            and j.step in (Step.STOP, Step.FINAL, Step.VERIFY, Step.SWITCH)
        ):
            leg.report(Note("putting things back in order: the engine runs on where it ran"))
            leg.run_again_where_it_is()
            leg.save(error=why)
        elif j.task is Task.MOVE and j.step in (Step.SWITCH, Step.START, Step.CHECK):
            _back_by_itself(leg, error)
        else:
            leg.save(error=why)
            leg.held.close()
    except (ModuluxError, OSError) as second:
        raise StorageError(
            f"{why}\nand then, putting it back in order: {flatten(second)}",
            hint="nothing is lost: `modulux storage undo` goes on with putting it back",
        ) from error
    if isinstance(error, ModuluxError | OSError):
        raise StorageError(why, hint=hint or "run the same command again to go on, or `modulux storage undo`") from error


def _back_by_itself(leg: Leg, error: BaseException) -> None:
    """The new place does not do: go back, with what was written there meanwhile if the engine ever ran there."""
    leg.held.close()
    never_ran = not leg.journal.ran or (isinstance(error, StartError) and not leg.ran_before)
    leg.report(Note(f"{flatten(error)}\n  going back to {leg.journal.place}"))
    way = {"step": Step.STOP, "discard": True, "ran": False} if never_ran else {"step": Step.WARM}
    leg.save(task=Task.BACK, retry=True, error=flatten(error), **way)
    leg.walk()
    _clean_back(leg)


def _clean_back(leg: Leg) -> None:
    """The engine is back: remove what is superfluous, or make ready for another try."""
    j = leg.journal
    if j.step is not Step.CLEAN:
        leg.save(step=Step.CLEAN)
    with step(leg.report, Step.CLEAN, TEXTS[Step.CLEAN]):
        switch.drop_placeholder(j.tree)
        if not j.discard:
            remove_tree(j.kept, j.place_inode)
        if j.retry:
            leg.save(
                task=Task.MOVE,
                step=Step.WARM,
                place_inode=j.tree_inode,
                back_inode=None,
                discard=False,
                retry=False,
                ran=False,
                inventory=None,
            )
            return
        if not (j.discard and j.ran):  # what was written there is nowhere else
            remove_tree(j.target, j.target_inode)
        j.marker.unlink(missing_ok=True)
        record.close(j)


def _abandon(leg: Leg) -> None:
    """The old place never ceased to count: let the engine run there, and remove the copy."""
    j = leg.journal
    if j.step is not Step.CLEAN:
        with step(leg.report, Step.START, TEXTS[Step.START]):
            leg.run_again_where_it_is()
        leg.save(step=Step.CLEAN)
    with step(leg.report, Step.CLEAN, TEXTS[Step.CLEAN]):
        if j.target_inode is None:  # nothing was copied yet
            with contextlib.suppress(OSError):
                j.target.rmdir()
            j.marker.unlink(missing_ok=True)
        elif j.marker.is_file():
            remove_tree(j.target, j.target_inode)
            j.marker.unlink(missing_ok=True)
        else:
            leg.report(Note(f"the disk that holds {j.target} is not there; the copy on it can be removed by hand"))
        record.close(leg.journal)


def _commit(leg: Leg) -> None:
    with step(leg.report, Step.CLEAN, TEXTS[Step.CLEAN]):
        remove_tree(leg.journal.kept, leg.journal.place_inode)
        leg.journal.marker.unlink(missing_ok=True)
        record.close(leg.journal)


# -- what a person asks for ------------------------------------------------------------------------------------------


def begun(key: str) -> Journal:
    """The record of the move that is under way or waits.

    Raises:
        NotFoundError: there is none.
    """
    journal = record.load(key)
    if journal is None:
        raise NotFoundError(f"no move of {key} is under way or waits for commit", hint="modulux storage show")
    return journal


def undo(journal: Journal, *, discard: bool) -> Journal:
    """Turn the task round, in the record; `go_on` does it then.

    Args:
        discard: go back to the old tree as it is, without what was written to the new disk since the move.
    """
    if journal.task is Task.COMMIT:
        raise StorageError(
            "the old tree is being removed: it is too late for undo", hint="modulux storage commit goes on with it"
        )
    leg = Leg(journal, lambda _: None)
    changes: dict[str, Any] = {"retry": False, "error": None}
    if journal.task is Task.ABANDON:
        return journal
    if journal.task is Task.MOVE and not leg.through():
        return record.save(journal, **changes, task=Task.ABANDON, step=Step.START)
    if journal.task is Task.MOVE:
        if not discard:
            _must_be_here(leg)
        return record.save(journal, **changes, task=Task.BACK, step=Step.STOP if discard else Step.WARM, discard=discard)
    if discard and not journal.discard and journal.step in (Step.WARM, Step.STOP, Step.FINAL, Step.VERIFY):
        return record.save(journal, **changes, step=Step.STOP, discard=True)
    return record.save(journal, **changes)


def _must_be_here(leg: Leg) -> None:
    try:
        leg.here()
    except StorageError as error:
        raise StorageError(
            f"{error}: what was written there since the move cannot be brought back",
            hint=f"mount it again; `modulux storage undo {leg.journal.facts.words} --discard` goes back to before the move",
        ) from None


def commit(journal: Journal) -> Journal:
    """Have the old tree removed, in the record; `go_on` does it then.

    Raises:
        StorageError: the move is not through, or the engine does not run on the new place.
    """
    if journal.task is Task.COMMIT:
        return journal
    if journal.task is not Task.MOVE or journal.step is not Step.DONE:
        raise StorageError(
            f"the move of {journal.facts.name} is not through: it is at `{journal.step}` of `{journal.task}`",
            hint=f"modulux storage move {journal.facts.words} goes on with it",
        )
    leg = Leg(journal, lambda _: None)
    leg.here()
    if journal.mode == "bind" and not mounted(journal):
        raise StorageError(
            f"{journal.target} is not mounted at {journal.place}", hint=f"mount --bind {journal.target} {journal.place}"
        )
    if not leg.driver.answers():
        raise StorageError(
            f"{journal.facts.name} does not answer", hint="start it: only then is it sure that the old data are not needed"
        )
    return record.save(journal, task=Task.COMMIT, step=Step.CLEAN)
