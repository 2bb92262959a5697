"""The sliding window: how much of a limit is left, and taking from it.

Time is cut into windows of the limit's duration, aligned to the epoch. What counts is the
current window plus the part of the previous one that still lies within one duration from now. A
counter belongs to a scope (a namespace, or the name of a key's limit), an identifier and a
duration; the limit itself is no part of it.
"""

from collections.abc import Sequence

from msgspec import Struct

from naftiko_run.sandbox.unkey.database import Database

_LAST = (1 << 63) - 1  # the latest time the database holds
_SWEEP = 64  # stale counters forgotten with each new one: more than are made, so none pile up


class Demand(Struct, frozen=True, kw_only=True):
    """What one request wants to take from one limit."""

    scope: str
    identifier: str
    limit: int
    duration: int
    cost: int


class Verdict(Struct, frozen=True, kw_only=True):
    """What became of a demand; `reset` is when the current window ends."""

    passed: bool
    limit: int
    remaining: int
    reset: int


def take(db: Database, demands: Sequence[Demand], now: int) -> list[Verdict]:
    """Take from every limit, or from none where one of them has too little left.

    A demand sees what those before it took. Of a refused set, the demands that would have passed
    report what is left without them.
    """
    taken: dict[tuple[str, str, int], int] = {}
    left: list[int] = []
    for demand in demands:
        counter = (demand.scope, demand.identifier, demand.duration)
        used = _used(db, demand, now) + taken.get(counter, 0) + demand.cost
        taken[counter] = taken.get(counter, 0) + demand.cost
        left.append(demand.limit - used)
    granted = all(rest >= 0 for rest in left)
    if granted:
        for (scope, identifier, duration), cost in taken.items():
            if cost:
                _count(db, scope, identifier, duration, cost, now)
    return [
        Verdict(
            passed=rest >= 0,
            limit=demand.limit,
            remaining=max(rest, 0) if granted or rest < 0 else rest + demand.cost,
            reset=(now // demand.duration + 1) * demand.duration,
        )
        for demand, rest in zip(demands, left, strict=True)
    ]


def _used(db: Database, demand: Demand, now: int) -> int:
    period, elapsed = divmod(now, demand.duration)
    used = 0
    for row in db.all(
        "SELECT period, amount FROM counters"
        " WHERE scope = ? AND identifier = ? AND duration = ? AND period >= ?",
        demand.scope,
        demand.identifier,
        demand.duration,
        period - 1,
    ):
        if row["period"] == period:
            used += row["amount"]
        elif row["period"] == period - 1:
            used += int(row["amount"] * (1 - elapsed / demand.duration))
    return used


def _count(db: Database, scope: str, identifier: str, duration: int, cost: int, now: int) -> None:
    period = now // duration
    changed = db.run(
        "UPDATE counters SET amount = amount + ?"
        " WHERE scope = ? AND identifier = ? AND duration = ? AND period = ?",
        cost,
        scope,
        identifier,
        duration,
        period,
    )
    if changed:
        return
    db.run(
        "INSERT INTO counters (scope, identifier, duration, period, amount, stale_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        scope,
        identifier,
        duration,
        period,
        cost,
        min((period + 2) * duration, _LAST),
    )
    db.run(
        "DELETE FROM counters WHERE (scope, identifier, duration, period) IN"
        " (SELECT scope, identifier, duration, period FROM counters"
        " WHERE stale_at <= ? ORDER BY stale_at LIMIT ?)",
        now,
        _SWEEP,
    )
