"""Tables and charts of a comparison."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from in_process import Figures
from operations import HTTP_OPERATIONS, OPERATIONS

__all__ = ["http_table", "plot", "plot_http", "summary", "table", "write"]


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def ratio(figures: dict[str, Figures], operation: str, peer: str) -> float | None:
    """Return the median of the ratios, round by round, of our processor time to a peer's."""
    ours = figures["cliquet"].cpu_us.get(operation) if "cliquet" in figures else None
    theirs = figures[peer].cpu_us.get(operation)
    if not ours or not theirs:
        return None
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def summary(figures: dict[str, Figures]) -> dict[str, Any]:
    """Return the figures as JSON can hold them: medians, percentiles, ratios."""
    found: dict[str, Any] = {}
    for peer, one in figures.items():
        found[peer] = {
            "start_seconds": round(one.start_seconds, 3),
            "resident_mb": round(one.resident_mb, 1),
            "operations": {
                operation: {
                    "cpu_us": round(statistics.median(values), 1),
                    "wall_us": round(statistics.median(one.wall_us[operation]), 1),
                    "wall_p99_us": round(_percentile(one.wall_us[operation], 0.99), 1),
                    "statements": one.statements.get(operation),
                    "ratio": ratio(figures, operation, peer),
                }
                for operation, values in one.cpu_us.items()
            },
        }
    return found


def table(backend: str, figures: dict[str, Figures]) -> str:
    """Return the figures of one backend as text, one line for each operation."""
    peers = list(figures)
    lines = [
        "",
        f"{backend}, in process: µs of processor time of a request (median)",
        f"{'':30}" + "".join(f"{peer:>12}" for peer in peers),
    ]
    for operation in OPERATIONS:
        cells = []
        for peer in peers:
            values = figures[peer].cpu_us.get(operation.name)
            cells.append(f"{statistics.median(values):12.0f}" if values else f"{'-':>12}")
        lines.append(f"{operation.name:30}" + "".join(cells))
    others = [peer for peer in peers if peer != "cliquet"]
    if "cliquet" in figures and others:
        lines += [
            "",
            "ratio of cliquet to",
            f"{'':30}{'':12}" + "".join(f"{p:>12}" for p in others),
        ]
        for operation in OPERATIONS:
            ratios = [ratio(figures, operation.name, peer) for peer in others]
            cells = [f"{one:12.2f}" if one is not None else f"{'-':>12}" for one in ratios]
            lines.append(f"{operation.name:30}{'':12}" + "".join(cells))
    lines += ["", "wall time, median / 99th percentile in µs; statements of a request"]
    for operation in OPERATIONS:
        cells = []
        for peer in peers:
            values = figures[peer].wall_us.get(operation.name)
            if not values:
                cells.append(f"{'-':>22}")
                continue
            text = f"{statistics.median(values):.0f}/{_percentile(values, 0.99):.0f}"
            sent = figures[peer].statements.get(operation.name)
            cells.append(f"{text + ('' if sent is None else f'  {sent:g}'):>22}")
        lines.append(f"{operation.name:30}" + "".join(cells))
    lines.append("start, s / resident, MB".ljust(30))
    lines[-1] += "".join(
        f"{f'{one.start_seconds:.2f}/{one.resident_mb:.0f}':>22}" for one in figures.values()
    )
    return "\n".join(lines)


def http_table(backend: str, server: str, served: dict[str, Any]) -> str:
    """Return what was measured over HTTP on one server as text."""
    if not served:
        return ""
    peers = list(served)
    lines = [
        "",
        f"{backend}, over HTTP ({server}, two workers; wrk):"
        " requests per second / p99 in ms / µs of the server's processor time",
        f"{'':30}" + "".join(f"{peer:>22}" for peer in peers),
    ]
    for operation in HTTP_OPERATIONS:
        cells = []
        for figures in served.values():
            found = figures.get(operation.name)
            text = (
                f"{found['per_second']:.0f}/{found['p99_ms']:.1f}/{found['cpu_us']:.0f}"
                if found
                else "-"
            )
            cells.append(f"{text:>22}")
        lines.append(f"{operation.name:30}" + "".join(cells))
    cells = [f"{figures['resident_mb']:22.0f}" for figures in served.values()]
    lines.append(f"{'resident, MB, both workers':30}" + "".join(cells))
    for peer, figures in served.items():
        shares = {one.name: figures.get(one.name, {}).get("failed", 0.0) for one in HTTP_OPERATIONS}
        lines += [
            f"{name}: {share:.1%} of {peer} failed" for name, share in shares.items() if share
        ]
    others = [peer for peer in peers if peer != "cliquet"]
    if "cliquet" in served and others:
        lines += ["", "requests per second of cliquet, divided by those of"]
        lines.append(f"{'':30}{'':22}" + "".join(f"{peer:>22}" for peer in others))
        for operation in HTTP_OPERATIONS:
            ours = served["cliquet"].get(operation.name)
            theirs = [served[peer].get(operation.name) for peer in others]
            cells = [
                f"{ours['per_second'] / one['per_second']:22.2f}" if ours and one else f"{'-':>22}"
                for one in theirs
            ]
            lines.append(f"{operation.name:30}{'':22}" + "".join(cells))
    return "\n".join(lines)


def _bars(bars: dict[str, dict[str, float]], unit: str, title: str, path: Path) -> None:
    """Write a chart: for each operation, one bar of each peer that has a figure for it."""
    from matplotlib.figure import Figure

    path.parent.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.subplots()
    names = [one.name for one in HTTP_OPERATIONS if any(one.name in bar for bar in bars.values())]
    width = 0.8 / len(bars)
    for number, (peer, values) in enumerate(bars.items()):
        offered = [(place, name) for place, name in enumerate(names) if name in values]
        axes.bar(
            [place + number * width for place, _ in offered],
            [values[name] for _, name in offered],
            width,
            label=peer,
        )
    axes.set_yscale("log")
    axes.set_ylabel(unit)
    axes.set_title(title)
    axes.set_xticks([place + 0.4 for place in range(len(names))], names, rotation=20, ha="right")
    axes.legend()
    figure.savefig(path)


def plot(backend: str, figures: dict[str, Figures], folder: Path) -> None:
    """Write a chart of the processor times of one backend: ``cpu-<backend>.svg``."""
    bars = {
        peer: {name: statistics.median(values) for name, values in one.cpu_us.items()}
        for peer, one in figures.items()
    }
    title = f"Processor time of a request, {backend}"
    _bars(bars, "µs of processor time", title, folder / f"cpu-{backend}.svg")


def plot_http(backend: str, server: str, served: dict[str, Any], folder: Path) -> None:
    """Write a chart of the requests per second: ``http-<backend>-<server>.svg``."""
    bars = {
        peer: {
            operation.name: figures[operation.name]["per_second"]
            for operation in HTTP_OPERATIONS
            if operation.name in figures
        }
        for peer, figures in served.items()
    }
    title = f"{server} with two workers, {backend}"
    _bars(bars, "requests per second", title, folder / f"http-{backend}-{server}.svg")


def write(everything: dict[str, object], folder: Path) -> None:
    """Write all figures: ``figures.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figures.json").write_text(json.dumps(everything, indent=2) + "\n")
