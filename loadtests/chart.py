"""Draws the latencies of the operations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from loadtests.figures import Row

# From "cividis", whose colours those who confuse red and green tell apart as well; the shapes
# differ too, for those who print it.
MARKS = (
    (50, "#00224e", "o"),
    (90, "#666970", "s"),
    (95, "#a59c74", "D"),
    (99, "#fdea45", "^"),
)


def draw(rows: Sequence[Row], title: str, subtitle: str, paths: Sequence[Path]) -> None:
    """Write the chart of the operations, in the format that each file's suffix names."""
    shown = [row for row in rows if row.latencies_ms]
    figure = Figure(figsize=(10, 2 + 0.42 * len(shown)), layout="constrained")
    axes = figure.subplots()
    places = range(len(shown))
    axes.hlines(
        places,
        [row.latencies_ms[50] for row in shown],
        [row.latencies_ms[99] for row in shown],
        color="#b0b0b0",
        linewidth=2,
        zorder=1,
    )
    for percentile, colour, marker in MARKS:
        axes.scatter(
            [row.latencies_ms[percentile] for row in shown],
            places,
            s=60,
            color=colour,
            marker=marker,
            edgecolors="black",
            linewidths=0.6,
            label=f"p{percentile}",
            zorder=2,
        )
    axes.set_yticks(places, [f"{row.operation}  ({row.count})" for row in shown])
    axes.invert_yaxis()
    # The last row sums up the others.
    axes.axhline(len(shown) - 1.5, color="black", linewidth=0.6)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(axis="x", which="both", color="#e5e5e5", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel("Latency of requests that succeeded, in ms (logarithmic scale)")
    axes.set_ylabel("Operation (number of requests)")
    axes.set_title(title, loc="left", fontsize=13, pad=26)
    axes.text(0, 1.015, subtitle, transform=axes.transAxes, fontsize=9.5, color="#444444")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, title="Percentile")
    for path in paths:
        figure.savefig(path, dpi=150)
