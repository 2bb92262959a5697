"""From measurements to text: lines while a run goes on, and RESULTS.md."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

OURS = "naftiko-run"
CONTROL = "2 servers of 1 process"
ROUTES = (10, 100, 1000, 20_000)

Row = dict[str, Any]


def show(cell: Row) -> None:
    """Print what was measured just now."""
    for row in cell["rows"]:
        if row["problem"]:
            print(f"  {row['name']:32}{row['problem'][:150]}")
        if "cpu" in row:
            print(
                f"  {row['name']:32}{row['cpu']:9.1f} us ({row['low']:.1f} to {row['high']:.1f})"
                f"{row['rate']:10.0f}/s  p50 {row['p50']:.2f}  p99 {row['p99']:.2f} ms"
                f"  {row['errors']} errors  {row['rss']:.0f} MB"
            )


def markdown(results: Row) -> str:
    """Write the whole report."""
    lines = [
        "# What naftiko-run costs, beside its peers",
        "",
        _INTRODUCTION,
        "",
        *_machine(results),
        "",
        "## Goals",
        "",
        *_goals(results),
        "",
        "![CPU per request](results.svg)",
    ]
    for cell in results["cells"]:
        lines += ["", f"## {cell['title']}", "", *_table(cell)]
        if note := _NOTES.get(cell["key"]):
            lines += ["", note]
    lines += ["", "## Start-up", "", *_start(results["facts"])]
    if missing := results["facts"].get("missing"):
        lines += ["", "## Not measured", "", *(f"- {each}" for each in missing)]
    return "\n".join(lines) + "\n"


_INTRODUCTION = (
    "Written by `make bench`. CPU µs per request (user and system time of all processes of a"
    " server) is the column to compare: requests per second and latencies depend on what else the"
    " machine does, and here the server shares it with the load generator and the upstream."
    " Numbers are medians of interleaved rounds with the spread of the rounds; *× ours* and the"
    " ratios under *Goals* are medians of the ratios within each round."
)
_WORK = (
    "Every handler parses the JSON body, builds another one for the upstream, sends it with a"
    " bearer token over a kept connection, reads the JSON reply and returns it; nginx and Caddy"
    " pass bytes on. The Python peers run on uvicorn with uvloop and httptools, in one process,"
    " without access log; Caddy has one processor."
)
_WORKERS = (
    "Two threads of wrk have 32 connections each. *2 servers of 1 process* know nothing of each"
    " other, and each is asked by one of the threads: that is what two processes cost on a machine"
    " whose processors they share with wrk and the upstream. What *2 workers* cost beside them is"
    " what `--workers` adds: the supervisor, which has work for each connection and none for a"
    " request, and that it spreads the connections of each thread over both. A share is one of the"
    " bytes written. Under full load each connection asks as soon as it is answered, so a process"
    " that shares its processor with wrk or nginx gets less done: these shares are the system's."
)
_PACED = (
    "Each connection rests for 0 to 32 ms before a request, so that every contender answers as"
    " many. Each of two processes then finds fewer events at a turn of its loop than one process"
    " does, and fewer requests share what the turn costs."
)
_NOTES = {
    "post": _WORK,
    "get-medium": "*mapped* reads the reply, picks its members with JSONPath and writes it anew;"
    " without a mapping the upstream's bytes pass through once they are known to be JSON.",
    "workers": _WORKERS,
    "workers-paced": _PACED,
    "connections-256": "httpx and httpx2 search their whole pool at every request.",
}


# ------------------------------------------------------------------------------------ sections


def _machine(results: Row) -> Iterable[str]:
    machine, facts = results["machine"], results["facts"]
    yield "| | |"
    yield "|---|---|"
    for name in ("date", "processor", "memory", "system", "python", "load"):
        yield f"| {name} | {machine[name]} |"
    yield f"| upstream | nginx, {facts['upstream']:,.0f} requests/s when asked by wrk alone |"
    yield f"| naftiko-run | {results['versions']['naftiko-run']} |"
    peers = (f"{n} {v}" for n, v in results["versions"].items() if n != "naftiko-run")
    yield f"| peers and tools | {', '.join(peers)} |"
    yield f"| took | {results['minutes']:.1f} minutes |"


def _table(cell: Row) -> Iterable[str]:
    yield (
        f"| {cell['connections']} connections | CPU µs/request (spread) | × ours | requests/s"
        " | p50 ms | p99 ms | MB (peak) | errors |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    first = cell["rows"][0]
    for row in cell["rows"]:
        if "cpu" not in row:
            yield f"| {row['name']} | failed: {row['problem'][:100]} | | | | | | |"
            continue
        times = _ratio(row, first, "cost")
        yield (
            f"| {row['name']} | **{_short(row['cpu'])}** ({_short(row['low'])} to"
            f" {_short(row['high'])}) | {'' if row is first or times is None else _short(times)}"
            f" | {row['rate']:,.0f} | {_short(row['p50'])} | {_short(row['p99'])}"
            f" | {row['rss']:.0f} ({row['peak']:.0f}) | {row['errors']} |"
        )


def _start(facts: Row) -> Iterable[str]:
    yield "| | seconds to the first answer | of them CPU | resident MB |"
    yield "|---|--:|--:|--:|"
    if start := facts.get("start"):
        seconds = start["seconds"]
        yield (
            f"| the two Unkey capabilities, 20 routes and 19 tools |"
            f" {median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"
            f" | {median(start['cpu']):.2f} | {median(start['memory']):.0f}, after an MCP request"
            f" {median(start['with_mcp']):.0f} |"
        )
    if fleet := facts.get("fleet"):
        yield (
            f"| {fleet['count']:,} files of {fleet['size'] / 1000:.1f} KB, 8 routes and 8 tools"
            f" each | {fleet['seconds']:.1f} | {fleet['cpu']:.1f} | {fleet['memory']:.0f}"
            f" (peak {fleet['peak']:.0f}) |"
        )


# --------------------------------------------------------------------------------------- goals


@dataclass(frozen=True)
class Goal:
    """A statement, how its number is found and shown, and when it is met."""

    text: str
    value: Callable[["Numbers"], float | None]
    met: Callable[[float], bool] | None = None
    """None where the number is there to be compared with."""
    shown: str = "{:.2f}"


class Numbers:
    """The rows of a run by cell and contender; what was not measured is None."""

    def __init__(self, results: Row) -> None:
        self.facts: Row = results["facts"]
        self._rows: dict[tuple[str, str], Row] = {
            (cell["key"], row["name"]): row
            for cell in results["cells"]
            for row in cell["rows"]
            if "cpu" in row
        }

    def times(self, cell: str, one: str, other: str, what: str = "cost") -> float | None:
        """How many times the other's number one's is."""
        rows = self._rows.get((cell, one)), self._rows.get((cell, other))
        return None if rows[0] is None or rows[1] is None else _ratio(rows[0], rows[1], what)

    def spread(self, cell: str, names: Sequence[str]) -> float | None:
        """How many times the cheapest one's cost the dearest one's is."""
        costs = [self.times(cell, name, names[0]) for name in names]
        known = [cost for cost in costs if cost is not None]
        return max(known) / min(known) if len(known) == len(names) else None

    def of(self, cell: str, name: str, what: str) -> float | None:
        row = self._rows.get((cell, name))
        return None if row is None else float(row[what])

    def fact(self, name: str, what: str) -> float | None:
        value = self.facts.get(name, {}).get(what)
        return median(value) if isinstance(value, list) else value


def _goals(results: Row) -> Iterable[str]:
    numbers = Numbers(results)
    yield "| goal | measured | met |"
    yield "|---|--:|---|"
    for goal in GOALS:
        value = goal.value(numbers)
        if value is None:
            yield f"| {goal.text} | not measured | |"
        else:
            yield f"| {goal.text} | {goal.shown.format(value)} | {_met(goal, value)} |"


def _met(goal: Goal, value: float) -> str:
    if goal.met is None:
        return "(to compare)"
    return "yes" if goal.met(value) else "no"


def _mcp(count: int, era: str, peer: str, least: float) -> Goal:
    number = f"{count:,} tool{'s' if count > 1 else ''}"
    return Goal(
        f"MCP tools/call, {number}, {era}: CPU of {peer}, times ours",
        lambda n: n.times(f"mcp-{count}-{era}", peer, OURS),
        lambda v: v >= least,
        "{:.1f}",
    )


GOALS = (
    Goal(
        "POST with body mapping: CPU beside Starlette + pyreqwest at most 1",
        lambda n: n.times("post", OURS, "Starlette + pyreqwest"),
        lambda v: v <= 1,
    ),
    Goal(
        "… Starlette + httpx costs at least 25 times as much",
        lambda n: n.times("post", "Starlette + httpx", OURS),
        lambda v: v >= 25,
        "{:.1f}",
    ),
    Goal(
        "… Starlette + httpx2 costs at least 8 times as much",
        lambda n: n.times("post", "Starlette + httpx2", OURS),
        lambda v: v >= 8,
        "{:.1f}",
    ),
    Goal(
        "… CPU beside Caddy's plain proxying less than 1",
        lambda n: n.times("post", OURS, "Caddy (proxies)"),
        lambda v: v < 1,
    ),
    Goal(
        "GET 10 KB: reading and writing anew costs at least twice what passing through does",
        lambda n: n.times("get-medium", f"{OURS}, mapped", OURS),
        lambda v: v >= 2,
    ),
    Goal(
        "… the same by hand: Starlette + pyreqwest, times ours",
        lambda n: n.times("get-medium", "Starlette + pyreqwest", OURS),
        lambda v: v >= 2,
    ),
    Goal(
        "20,000 routes: at least 95 % of the requests/s with 10",
        lambda n: n.times("routes", "20,000 routes", "10 routes", "rate"),
        lambda v: v >= 0.95,
        "{:.1%}",
    ),
    Goal(
        "… CPU per request beside that with 10 at most 1.05",
        lambda n: n.times("routes", "20,000 routes", "10 routes"),
        lambda v: v <= 1.05,
    ),
    Goal(
        "… the dearest of 10, 100, 1,000 and 20,000 beside the cheapest at most 1.10",
        lambda n: n.spread("routes", [f"{count:,} routes" for count in ROUTES]),
        lambda v: v <= 1.1,
    ),
    Goal(
        "256 connections, the upstream takes 20 ms: at least 5,000 requests/s",
        lambda n: n.of("slow", OURS, "rate"),
        lambda v: v >= 5000,
        "{:,.0f}",
    ),
    Goal(
        "… p99 under 100 ms",
        lambda n: n.of("slow", OURS, "p99"),
        lambda v: v < 100,
        "{:.0f} ms",
    ),
    Goal(
        "… no error",
        lambda n: n.of("slow", OURS, "errors"),
        lambda v: v == 0,
        "{:.0f}",
    ),
    *(
        _mcp(count, era, peer, least)
        for count in (1, 100, 1000)
        for era in ("2026-07-28", "2025-11-25")
        for peer, least in (("mcp SDK low-level + pyreqwest", 4), ("FastMCP from_openapi", 30))
    ),
    Goal(
        "Start-up of the two Unkey capabilities under 0.5 s",
        lambda n: n.fact("start", "seconds"),
        lambda v: v < 0.5,
        "{:.2f} s",
    ),
    Goal(
        "… in 60 MB",
        lambda n: n.fact("start", "memory"),
        lambda v: v <= 60,
        "{:.0f} MB",
    ),
    Goal(
        "1,000 files in one process under 15 s",
        lambda n: n.fact("fleet", "seconds") if n.fact("fleet", "count") == 1000 else None,
        lambda v: v < 15,
        "{:.1f} s",
    ),
    Goal(
        "… in 600 MB",
        lambda n: n.fact("fleet", "memory") if n.fact("fleet", "count") == 1000 else None,
        lambda v: v <= 600,
        "{:.0f} MB",
    ),
    Goal(
        "--workers 2, load below saturation: each within 20 % of its share",
        lambda n: n.of("workers-paced", "2 workers", "unevenness"),
        lambda v: v <= 0.2,
        "{:.0%}",
    ),
    Goal(
        "… under full load",
        lambda n: n.of("workers", "2 workers", "unevenness"),
        lambda v: v <= 0.2,
        "{:.0%}",
    ),
    Goal(
        f"… the same of {CONTROL}",
        lambda n: n.of("workers", CONTROL, "unevenness"),
        shown="{:.0%}",
    ),
    *(
        goal
        for cell, load in (("workers", "full load"), ("workers-paced", "load below saturation"))
        for goal in (
            Goal(
                f"--workers 2, {load}: CPU per request beside one worker's at most 1.05",
                lambda n, cell=cell: n.times(cell, "2 workers", "1 worker"),
                lambda v: v <= 1.05,
            ),
            Goal(
                f"… that of {CONTROL} beside one worker's",
                lambda n, cell=cell: n.times(cell, CONTROL, "1 worker"),
            ),
            Goal(
                f"… CPU per request beside {CONTROL} at most 1.05",
                lambda n, cell=cell: n.times(cell, "2 workers", CONTROL),
                lambda v: v <= 1.05,
            ),
        )
    ),
)


# ------------------------------------------------------------------------------------- numbers


def _ratio(one: Row, other: Row, what: str) -> float | None:
    """The median of the ratios of two contenders in the same rounds."""
    pairs = zip(one["rounds"], other["rounds"], strict=False)
    found = [a[what] / b[what] for a, b in pairs if b[what]]
    return median(found) if found else None


def _short(value: float) -> str:
    """Three significant digits."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
