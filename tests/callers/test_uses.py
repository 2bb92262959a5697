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
