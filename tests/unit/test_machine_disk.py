"""How a machine's disk is parted, and what each slot tells the kernel."""

from __future__ import annotations

import re

import pytest

from modulux.machine.disk import GRAIN, MIB, layout, room, table
from modulux.machine.slots import ESP, SLOTS, STATE, kernel_words, label, other, release

SIZES = {"system": 8 * MIB, "store": 240 * MIB}
RECORD = {
    "name": "office",
    "version": "0123456789abcdef",
    "kernel": "6.12.1-amd64",
    "trial": 300,
    "verity": {"store": f"60000:{'b' * 64}", "system": f"1900:{'a' * 64}"},
}


def test_partitions_lie_behind_one_another_and_the_last_keeps() -> None:
    parted = layout(SIZES, 1024 * MIB)
    for before, after in zip(parted.partitions, parted.partitions[1:], strict=False):
        assert before.start + before.size == after.start
    assert parted.partitions[0].label == ESP
    assert parted.partitions[-1].label == STATE
    assert all(p.start % MIB == 0 for p in parted.partitions)
    assert parted.size >= parted.partitions[-1].start + parted.partitions[-1].size + MIB  # the table's copy


def test_both_slots_have_the_same_room_and_twice_what_is_needed() -> None:
    parted = layout(SIZES, MIB)
    for part, size in SIZES.items():
        first, second = (parted.at(label(part, slot)).size for slot in SLOTS)
        assert first == second >= 2 * size


@pytest.mark.parametrize("bytes", [1, GRAIN // 2, GRAIN // 2 + 1, 5 * GRAIN])
def test_room_is_in_grains(bytes: int) -> None:
    assert room(bytes) % GRAIN == 0
    assert room(bytes) >= 2 * bytes


def test_a_table_follows_from_its_seed_alone() -> None:
    parted = layout(SIZES, MIB)
    assert table(parted, "one") == table(parted, "one")
    numbers = [set(re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", table(parted, seed))) for seed in ("one", "two")]
    assert len(numbers[0]) == 1 + len(parted.partitions)
    assert not numbers[0] & numbers[1]


def test_a_slot_names_its_own_partitions_and_what_they_must_hold() -> None:
    words = kernel_words("b", RECORD).split()
    assert "modulux.slot=b" in words
    assert "modulux.try=300" in words
    assert "modulux.system=PARTLABEL=modulux-system-b" in words
    assert "modulux.store=PARTLABEL=modulux-store-b" in words
    assert "modulux.state=PARTLABEL=modulux-state" in words
    assert f"modulux.system.verity=1900:{'a' * 64}" in words
    assert not any("-a" in word.partition("LABEL=")[2] for word in words)


def test_programs_of_different_versions_are_told_apart_by_their_names_alone() -> None:
    """The boot loader would sort by a version before it looks at the generation in the name."""
    fields = dict(line.split("=", 1) for line in release(RECORD).splitlines())
    assert not {"VERSION", "VERSION_ID", "IMAGE_VERSION", "BUILD_ID"} & fields.keys()


def test_there_are_two_slots() -> None:
    assert [other(slot) for slot in SLOTS] == ["b", "a"]
