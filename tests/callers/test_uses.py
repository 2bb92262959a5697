"""Which uses were seen: by one process, by several at once, by one that was killed meanwhile."""

import os
import subprocess
import sys

import pytest

from naftiko_run.callers.uses import _WRITING, LIFETIME, MARK, Uses, shared_memory

NOW = 1_800_000_000.0
ADA, BOB, EVE = (letter * MARK for letter in (b"a", b"b", b"e"))

TAKE = f"""
import sys
from naftiko_run.callers.uses import Uses
uses = Uses(int(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
again = 0
for count in range(int(sys.argv[2]), 20_000, 2):
    uses.take({NOW}, {ADA!r}, count, {NOW})
    again += uses.take({NOW}, {ADA!r}, count, {NOW})
print(again)
"""


def test_no_use_is_lost_where_processes_race() -> None:
    memory = shared_memory()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TAKE, str(memory), first],
            pass_fds=(memory,),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for first in ("1", "2")
    ]
    for each in processes:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in processes:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    assert [each.communicate()[0] for each in processes] == ["0\n", "0\n"]
    uses = Uses(memory)
    assert not any(uses.take(NOW, ADA, count, NOW) for count in range(1, 20_000))
    assert uses.take(NOW, ADA, 20_000, NOW)
    os.close(memory)


def test_a_full_bucket_forgets_its_oldest_and_takes_nothing_as_old() -> None:
    uses = Uses(buckets=1, slots=2)
    assert uses.take(NOW, ADA, 1, NOW)
    assert uses.take(NOW + 1, BOB, 1, NOW + 1)
    assert uses.take(NOW + 2, EVE, 1, NOW + 2)
    assert not uses.take(NOW, ADA, 2, NOW + 2)
    assert uses.take(NOW + 1, BOB, 2, NOW + 2), "it is still known"


def test_what_has_expired_makes_room_and_forgets_nothing_that_lives() -> None:
    uses = Uses(buckets=1, slots=2)
    assert uses.take(NOW, ADA, 1, NOW)
    later = NOW + LIFETIME + 1
    assert uses.take(later, BOB, 1, later)
    assert uses.take(NOW + 2, EVE, 1, later), "older than one that is there, yet never used"
    assert not uses.take(later, BOB, 1, later)


def test_what_was_forgotten_stays_so_when_an_older_one_is_forgotten_after_it() -> None:
    uses = Uses(buckets=1, slots=2)
    now = NOW + 9
    assert uses.take(NOW, b"0" * MARK, 1, now)
    assert uses.take(NOW + 2, ADA, 1, now)
    assert uses.take(NOW + 4, b"4" * MARK, 1, now)
    assert uses.take(NOW + 1, b"1" * MARK, 1, now), "made before the one that it displaces"
    assert not uses.take(NOW + 2, ADA, 1, now)
    assert uses.take(NOW + 5, b"5" * MARK, 1, now)
    assert not uses.take(NOW + 2, ADA, 1, now)


def test_what_a_killed_process_was_writing_stays_refused_when_its_bucket_is_full_again() -> None:
    uses = Uses(buckets=1, slots=2)
    assert uses.take(NOW, ADA, 1, NOW)
    assert uses.take(NOW - 1, BOB, 1, NOW)
    first = uses._memory.find(b"\x01")
    uses._memory[first] = _WRITING
    assert not uses.take(NOW, ADA, 1, NOW)
    assert uses.take(NOW + 2, EVE, 1, NOW + 2)
    assert uses.take(NOW + 3, b"3" * MARK, 1, NOW + 3), "in the place of one that is older"
    assert not uses.take(NOW, ADA, 1, NOW + 3)


def test_what_had_expired_is_not_taken_for_new_after_the_clock_was_set_back() -> None:
    uses = Uses(buckets=1, slots=1)
    assert uses.take(NOW, ADA, 1, NOW)
    later = NOW + LIFETIME + 1
    assert uses.take(later, BOB, 1, later)
    assert not uses.take(NOW, ADA, 1, NOW + 1)


@pytest.mark.parametrize("slots", [1, 2])
def test_what_a_killed_process_was_writing_is_not_taken_for_new(slots: int) -> None:
    uses = Uses(buckets=1, slots=slots)
    assert uses.take(NOW, ADA, 1, NOW)
    first = uses._memory.find(b"\x01")
    uses._memory[first] = _WRITING
    assert not uses.take(NOW, ADA, 2, NOW)
    assert not uses.take(NOW, BOB, 1, NOW)
    assert uses.take(NOW + 2, EVE, 1, NOW + 2)
    assert not uses.take(NOW + 2, EVE, 1, NOW + 2)


def test_nonces_are_spread_and_known_apart() -> None:
    uses = Uses()
    marks = [os.urandom(MARK) for _ in range(2000)]
    assert all(uses.take(NOW, mark, 1, NOW) for mark in marks)
    assert not any(uses.take(NOW, mark, 1, NOW) for mark in marks)
