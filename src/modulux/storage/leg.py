"""One way, there or back: copy while all runs, stop, copy the rest, compare, switch, start, and see that everything is there.

Every step can be begun again after any end of the process or of the machine. What an error ends is put back in order here; what
nothing could put back (kill -9, no power) is put in order by `resume`, the next time.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from modulux import run
from modulux.errors import EngineError, ModuluxError, StorageError
from modulux.report import Count, Note, Report, step
from modulux.storage import again, destination, flags, switch
from modulux.storage import journal as record
from modulux.storage.copy import copy, flush
from modulux.storage.facts import Held, Inventory
from modulux.storage.find import driver as driver_of
from modulux.storage.journal import Journal, Step, Task
from modulux.storage.mounts import at, mount_of, space
from modulux.storage.shown import inode, mounted
from modulux.storage.tree import Comparison, Verified

PASSES = 3
"""So often the rest is copied while the engine stands still; what still changes then is written to by somebody else."""

LITTLE = 16 << 20
"""With less free than this a copy that failed has most likely failed for want of room."""

TEXTS = {
    Step.WARM: "copying while everything runs",
    Step.STOP: "stopping containers and engine",
    Step.FINAL: "copying what has changed",
    Step.VERIFY: "comparing both trees",
    Step.SWITCH: "switching over",
    Step.START: "starting the engine",
    Step.CHECK: "looking whether everything is there and a container runs",
    Step.CLEAN: "removing what is not needed any more",
}


class StartError(StorageError):
    """The engine did not answer where its data lie now; nothing was written there by its containers."""


class Leg:
    """Works on one journal. `journal` is always what is on the disk."""

    def __init__(self, journal: Journal, report: Report) -> None:
        self.journal = journal
        self.report = report
        self.driver = driver_of(journal.facts)
        self.held = contextlib.ExitStack()
        self.verified: Verified | None = None
        self.passes = 0
        self.ran_before = False

    # -- the record --------------------------------------------------------------------------------------------------

    def save(self, **changes: object) -> None:
        self.journal = record.save(self.journal, **changes)

    @property
    def back(self) -> bool:
        return self.journal.task is Task.BACK

    @property
    def source(self) -> Path:
        return self.journal.target if self.back else self.journal.origin

    @property
    def target(self) -> Path:
        return self.journal.back if self.back else self.journal.target

    def through(self) -> bool:
        return switch.through_back(self.journal) if self.back else switch.through(self.journal)

    def tell(self, text: str) -> None:
        record.tell(self.journal.facts.key, text)

    # -- steps -------------------------------------------------------------------------------------------------------

    def here(self) -> None:
        """See that the new disk is the one that it was.

        Raises:
            StorageError: it is gone, or another is mounted in its place.
        """
        if not self.journal.marker.is_file():
            raise StorageError(
                f"the disk that holds {self.journal.target} is not there (no {self.journal.marker.name} beside it)",
                hint="mount it again and run the same command, or `modulux storage undo`",
            )

    def _must_be_mounted(self) -> None:
        """Nothing of ours is on the new disk yet that could tell; where it is mounted has to do."""
        if (found := mount_of(self.journal.target).point) != self.journal.disk:
            raise StorageError(
                f"the disk that was mounted at {self.journal.disk} is not there ({self.journal.target} would lie on {found})",
                hint="mount it again and run the same command, or `modulux storage undo`",
            )

    def warm(self) -> None:
        """Copy while everything runs."""
        if self.back:
            self.here()
            self._at_its_place()
            self.target.mkdir(exist_ok=True)
            self.save(back_inode=self.target.stat().st_ino)
        else:
            if self.journal.target_inode is None:
                self._must_be_mounted()
                destination.clear(self.journal.target.parent)
                self.journal.target.mkdir(exist_ok=True)
                self.journal.marker.write_text(f"{self.journal.id}\n")
                flush(self.journal.target.parent)
                self.save(target_inode=self.journal.target.stat().st_ino)
            self.here()
        self._copy()
        flush(self.target)
        self.here()

    def stop(self) -> None:
        """Count what there is, stop the containers, count again (some are removed as they stop), stop the daemon."""
        if self._may_be_asked() and self.driver.answers():
            before = self._counted(self.driver.inventory())
            self._may_stop(before)
            discard = self.back and self.journal.discard  # then what counts is what there was before the move
            kept = self.journal.inventory if discard and self.journal.inventory else before
            self.save(inventory=kept, stood_still=time.time())
            self.driver.stop_containers(before.running)
            if not discard:
                self.save(inventory=self._counted(self.driver.inventory()))
        elif self.journal.inventory is None:
            raise StorageError(
                f"{self.journal.facts.name} does not run, so that it cannot be said what it holds", hint="start it first"
            )
        self.driver.halt()
        if not self.driver.stopped():
            raise StorageError(f"{self.journal.facts.name} still runs, or was started again by somebody")

    def _may_be_asked(self) -> bool:
        """Whether the engine would look at its data; asked at an empty place, some would begin a new life there."""
        j = self.journal
        return j.mode != "bind" or not switch.through(j) or (self.back and switch.through_back(j)) or mounted(j)

    def _at_its_place(self) -> None:
        """After a start of the machine, or an end within the switch, the new place may not be mounted yet."""
        if not self._may_be_asked():
            self.driver.halt()  # whoever was started at the empty place
            switch.make(self.journal)
        elif not self.back:
            switch.make(self.journal)

    def _counted(self, now: Inventory) -> Inventory:
        """What there is now; what ran when this step was first begun counts as running."""
        ran = {c.id for c in self.journal.inventory.running} if self.journal.inventory else set()
        order = {c.id: i for i, c in enumerate(self.journal.inventory.containers)} if self.journal.inventory else {}
        containers = [c.model_copy(update={"running": c.running or c.id in ran}) for c in now.containers]
        containers.sort(key=lambda c: order.get(c.id, len(order)))
        return now.model_copy(update={"containers": containers})

    def _may_stop(self, held: Inventory) -> None:
        temporary = [c.name for c in held.running if c.temporary]
        if temporary and not self.journal.drop_temporary:
            raise StorageError(
                f"{', '.join(temporary)} was started with --rm and would be lost by stopping", hint="stop it first"
            )
        if paused := [c.name for c in held.containers if c.paused]:
            raise StorageError(f"{', '.join(paused)} is paused and cannot be stopped in order", hint="unpause it first")

    def final(self) -> None:
        """Copy the rest, while nobody writes."""
        self.held.enter_context(self.driver.hold(self.source))
        self.here()
        self._copy()
        flush(self.target)

    def verify(self) -> None:
        """Hold both trees against each other; what differs is copied again, a few times."""
        self.save(flagged=True)
        while True:
            self.verified = Comparison(
                os.fsencode(self.source),
                os.fsencode(self.target),
                every=self.journal.verify == "all",
                granularity=self.journal.granularity,
                since=self.journal.began - 2,
                holes=self._link() is None,
                progress=lambda entries: self.tell(f"compared {entries} files"),
            ).run()
            if self.verified.same:
                break
            self.passes += 1
            if self.passes >= PASSES:
                shown = "\n".join(f"  {line}" for line in self.verified.differences)
                raise StorageError(
                    f"the copy is not the same after {PASSES} passes:\n{shown}",
                    hint="does a program outside of the engine write there?",
                )
            self._copy(whole=True)
        flush(self.target)
        self.here()

    def switch(self) -> None:
        """From here on the other place counts."""
        if not self.through() and not self.driver.untouched():
            raise StorageError(f"{self.journal.facts.name} was started again by somebody while it was being moved")
        if self.back:
            switch.unmake(self.journal)
        else:
            self.here()
            if self.journal.mode == "reconfigure" and not self.through():
                self.save(was=switch.configured_root(self.journal))
            switch.make(self.journal)
        self.held.close()

    def start(self) -> None:
        """Start the engine where its data lie now."""
        if not self.back:
            self.here()
            self._at_its_place()
            self.ran_before = self.journal.ran
            self.save(ran=True)
        if not self.driver.start(record.FOLDER / f"{self.journal.facts.key}.daemon.log"):
            place = self.journal.place if self.back else self.target
            raise StartError(f"{self.journal.facts.name} does not answer after its start on {place}")

    def check(self) -> None:
        """See that everything is there, start what ran, and run a container."""
        held = self.journal.inventory or Inventory()
        wrong = held.lacking(self.driver.inventory())
        wrong += self.driver.start_containers(held.running)
        if not wrong and (why := self.driver.probe()):
            wrong.append(why)
        if wrong:
            raise StorageError(
                f"not everything of {self.journal.facts.name} is there:\n" + "\n".join(f"  {line}" for line in wrong)
            )
        if self.journal.stood_still:
            self.save(downtime=time.time() - self.journal.stood_still)

    def _link(self) -> Path | None:
        """The old tree, to whose files those of the way back are linked where they are the same."""
        j = self.journal
        return j.kept if self.back and inode(j.kept) == j.place_inode else None

    def _copy(self, *, whole: bool = False) -> None:
        shown = [0]
        if os.path.samestat(self.source.stat(), self.target.stat()) or (not self.back and self.through()):
            raise StorageError(f"{self.target} is what counts already; nothing is copied over it")

        def progress(copied: int, percent: int, rate: str) -> None:
            self.tell(f"{percent} % copied, {copied / 1e9:.2f} GB, {rate}")
            if percent >= shown[0] + 5:
                shown[0] = percent
                self.report(Count(min(percent, 99), 100, f"% copied ({copied / 1e9:.2f} GB, {rate})"))

        if self.journal.flagged:  # what chattr has locked in the copy could not be changed
            flags.unlock_tree(os.fsencode(self.target))
        link = self._link()
        with record.lock_for_children(self.journal.facts.key):
            try:
                copy(self.source, self.target, progress, link=link, whole=whole)
            except StorageError as error:
                if space(self.target).free < LITTLE:
                    error.hint = f"the disk of {self.target} is full: make room, and run the same command again"
                raise

    # -- going on ----------------------------------------------------------------------------------------------------

    def resume(self) -> None:
        """After an end that nobody could clean up after: what the engine may have changed since is copied again."""
        j = self.journal
        if j.task in (Task.MOVE, Task.BACK):
            if j.step in (Step.FINAL, Step.VERIFY, Step.SWITCH) and not self.through():
                if self.back:
                    switch.ready_again(j)
                self.save(step=Step.STOP)
            if not self.through() and not self.back:
                again.show_before(j)
            if not self.back and self.through():
                self.here()

    def steps(self) -> list[tuple[Step, Callable[[], None]]]:
        """The steps of the way, in order."""
        whole = [
            (Step.WARM, self.warm),
            (Step.STOP, self.stop),
            (Step.FINAL, self.final),
            (Step.VERIFY, self.verify),
            (Step.SWITCH, self.switch),
            (Step.START, self.start),
            (Step.CHECK, self.check),
        ]
        copying = {Step.WARM, Step.FINAL, Step.VERIFY}
        return [s for s in whole if not (self.back and self.journal.discard and s[0] in copying)]

    def walk(self) -> None:
        """Do what is left of the way, each step recorded before it begins."""
        if self.journal.step is Step.DONE:
            return
        left = self.steps()
        names = [name for name, _ in left]
        at_step = names.index(self.journal.step) if self.journal.step in names else 0
        for name, action in left[at_step:]:
            if name is not self.journal.step:
                self.save(step=name)
            self.tell(TEXTS[name])
            with step(self.report, name, TEXTS[name]):
                action()

    # -- putting things in order after an error ----------------------------------------------------------------------

    def run_again_where_it_is(self) -> None:
        """The switch did not come about: let the engine run on where its data are."""
        self.held.close()
        if not self.back:
            switch.forget(self.journal)
        running: list[Held] = self.journal.inventory.running if self.journal.inventory else []
        if not self.driver.start(record.FOLDER / f"{self.journal.facts.key}.daemon.log"):
            raise EngineError(f"{self.journal.facts.name} does not start again", hint="modulux storage undo tries it again")
        for line in self.driver.start_containers(running):
            self.report(Note(line))
        self.save(step=Step.WARM, inventory=None)


def remove_tree(folder: Path, number: int | None) -> None:
    """Remove a tree that is not needed any more, if it is the very one that is meant, whatever chattr has locked in it.

    Raises:
        StorageError: it is another, or something is mounted there, or it could not be removed.
    """
    if not folder.exists() and not folder.is_symlink():
        return
    if number is None or inode(folder) != number or at(folder) is not None or folder.is_symlink():
        raise StorageError(f"{folder} is not the folder that was to be removed", hint="nothing of it was touched; look at it")
    argv = ["rm", "--recursive", "--force", "--one-file-system", "--", str(folder)]
    if run.run(argv).ok and not folder.exists():
        return
    flags.unlock_tree(os.fsencode(folder))
    done = run.run(argv)
    if not done.ok or folder.exists():
        said = done.stderr.strip().splitlines()
        raise StorageError(f"{folder} could not be removed: {said[0] if said else 'it is still there'}")


def flatten(error: BaseException) -> str:
    """An error as one text for the record."""
    return str(error) if isinstance(error, ModuluxError | OSError) else "interrupted"
