"""The plot of a run: ``python plot.py RESULTS.json PICTURE``, with the peers' environment."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

OURS, OTHERS = "#c2410c", "#94a3b8"
COST = "CPU µs per request"


def bars(axes: Axes, cell: dict[str, Any]) -> None:
    rows = sorted((r for r in cell["rows"] if "cpu" in r), key=lambda r: -r["cpu"])
    names = [row["name"] for row in rows]
    costs = [row["cpu"] for row in rows]
    spread = [[r["cpu"] - r["low"] for r in rows], [r["high"] - r["cpu"] for r in rows]]
    colours = [OURS if name.startswith("naftiko-run") else OTHERS for name in names]
    axes.barh(names, costs, color=colours, xerr=spread, error_kw={"lw": 0.8, "ecolor": "#475569"})
    for place, cost in enumerate(costs):
        axes.text(cost * 0.95, place, f"{cost:,.0f}", va="center", ha="right", color="white")
    axes.set_xscale("log")
    axes.set_xlim(left=5)
    axes.set_title(cell["title"])
    axes.set_xlabel(COST)


def lines(axes: Axes, cells: list[dict[str, Any]]) -> None:
    series: dict[str, list[tuple[int, float]]] = {}
    swept = sorted(cells, key=lambda c: c["connections"])
    names = {r["name"] for c in swept if c["key"].startswith("connections") for r in c["rows"]}
    for cell in swept:
        for row in cell["rows"]:
            if row["name"] in names and row.get("rate"):
                series.setdefault(row["name"], []).append((cell["connections"], row["rate"]))
    for name, points in series.items():
        ours = name.startswith("naftiko-run")
        axes.plot(*zip(*points, strict=True), marker="o", lw=2.5 if ours else 1.2, label=name,
                  color=OURS if ours else None)  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks([1, 32, 64, 256], ["1", "32", "64", "256"])
    axes.set_title("POST with body mapping, by connections")
    axes.set_xlabel("connections")
    axes.set_ylabel("requests per second")
    axes.legend(fontsize=8)


def main(data: Path, picture: Path) -> None:
    results = json.loads(data.read_text())
    cells = {cell["key"]: cell for cell in results["cells"]}
    # Texts stay texts, and equal results give equal files.
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 9}
    figure = Figure(figsize=(10, 7.5), layout="constrained")
    panels = figure.subplots(2, 2)
    places = ((0, 0, "post"), (1, 0, "get-medium"), (1, 1, "mcp-100-2026-07-28"))
    for row, column, key in places:
        if key in cells:
            bars(panels[row][column], cells[key])
    lines(panels[0][1], [c for k, c in cells.items() if k == "post" or k.startswith("connections")])
    figure.suptitle(f"One process, {results['machine']['date']}")
    figure.savefig(picture, metadata={"Date": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
