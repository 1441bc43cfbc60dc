"""The figures as text and as JSON. Writes nothing itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from loadtests.figures import PERCENTILES, Row, percentiles

# More reasons than that say nothing new.
SHOWN_REASONS = 20
TABLE_HEADINGS = (
    "operation", "count", "failures", "req/s", *(f"p{n} ms" for n in PERCENTILES), "max ms"
)  # fmt: skip


def table(rows: Sequence[Row]) -> str:
    """Return one line per operation; latencies are in milliseconds."""
    lines = [TABLE_HEADINGS, *map(_cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(TABLE_HEADINGS))]
    text = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    rule = "-" * len(text[0])
    # The last line is the sum.
    return "\n".join([text[0], rule, *text[1:-1], rule, text[-1]])


def _cells(row: Row) -> tuple[str, ...]:
    latencies = [
        f"{row.latencies_ms[n]:.1f}" if row.latencies_ms else "-" for n in (*PERCENTILES, 100)
    ]
    return (row.operation, str(row.count), str(row.failures), f"{row.per_second:.1f}", *latencies)


def failures(counted: Counter[tuple[str, str]]) -> str:
    """Return one line per operation and reason, the most frequent first."""
    lines = [
        f"{count:7d} x {operation}: {reason}"
        for (operation, reason), count in counted.most_common(SHOWN_REASONS)
    ]
    if len(counted) > SHOWN_REASONS:
        lines.append(f"        and more, of {len(counted)} kinds in all")
    return "\n".join(lines)


def progress(
    *,
    elapsed_seconds: float,
    duration_seconds: float,
    users: int,
    recent: tuple[int, Sequence[float]],
    interval_seconds: float,
    failure_count: int,
) -> str:
    """Return how a run goes: rate and latencies since the last line, failures since the start."""
    count, latencies_ms = recent
    of_recent = percentiles(latencies_ms)
    shown = [f"p{n} {of_recent[n]:.0f} ms" if of_recent else f"p{n} -" for n in (50, 95)]
    return "  ".join(
        [
            f"{elapsed_seconds:.0f} s of {duration_seconds:g}",
            _counted(users, "user"),
            f"{count / interval_seconds:.0f} requests/s",
            *shown,
            _counted(failure_count, "failure"),
        ]
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def as_json(
    rows: Sequence[Row], counted: Counter[tuple[str, str]], run: dict[str, Any]
) -> dict[str, Any]:
    """Return the figures for programs, with what was run."""
    return {
        "run": run,
        "operations": [
            {
                "operation": row.operation,
                "count": row.count,
                "failures": row.failures,
                "requests_per_second": round(row.per_second, 2),
                "latencies_ms": {
                    "max" if n == 100 else f"p{n}": round(latency, 3)
                    for n, latency in row.latencies_ms.items()
                },
            }
            for row in rows
        ],
        "failures": [
            {"operation": operation, "reason": reason, "count": count}
            for (operation, reason), count in counted.most_common()
        ],
    }
