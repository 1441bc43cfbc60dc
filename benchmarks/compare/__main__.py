"""Compare the library with its peers, and with the limit of what its stack can do.

    python -m benchmarks.compare [--peers cliquet,limit] [--backends postgresql,sqlite,memory]
        [--rounds 9] [--http | --http-only] [--http-rounds 3] [--servers gunicorn,granian]
        [--output FOLDER]

Every operation is run on every peer, in one run and in turn, so that a slow moment of the machine
meets all of them: what counts are the ratios.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import http_load  # noqa: E402 (found through the path, as in the peers' own processes)
import in_process  # noqa: E402 (as above)
import report  # noqa: E402 (as above)
from databases import running_databases  # noqa: E402 (as above)
from environments import PEERS, version_of  # noqa: E402 (as above)
from http_servers import SERVERS  # noqa: E402 (as above)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare",
        description="Compare the library with its peers; what counts are the ratios.",
    )
    parser.add_argument("--peers", default=",".join(PEERS), type=lambda text: text.split(","))
    parser.add_argument(
        "--backends", default="postgresql,sqlite,memory", type=lambda text: text.split(",")
    )
    parser.add_argument("--rounds", default=9, type=int, help="measurements of each operation")
    parser.add_argument(
        "--http-rounds", default=3, type=int, help="the same over HTTP, of 2 s each"
    )
    parser.add_argument("--http", action="store_true", help="also over HTTP, with wrk")
    parser.add_argument("--http-only", action="store_true", help="over HTTP alone")
    parser.add_argument("--servers", default=",".join(SERVERS), type=lambda text: text.split(","))
    parser.add_argument("--output", type=Path, help="folder for figures.json and the charts")
    found = parser.parse_args()
    unknown = set(found.peers) - PEERS.keys()
    if unknown:
        parser.error(f"unknown peers {sorted(unknown)}; there are {', '.join(PEERS)}")
    unknown = set(found.servers) - set(SERVERS)
    if unknown:
        parser.error(f"unknown servers {sorted(unknown)}; there are {', '.join(SERVERS)}")
    return found


def main() -> None:
    """Print one table for each backend; write figures and charts where asked."""
    asked = arguments()
    versions = {peer: version_of(peer) for peer in asked.peers}
    print("  ".join(f"{peer} {version}" for peer, version in versions.items()))
    everything: dict[str, object] = {"versions": versions}
    with running_databases(with_postgresql="postgresql" in asked.backends) as databases:
        for backend in asked.backends:
            if not asked.http_only:
                figures = in_process.compare(asked.peers, backend, databases, asked.rounds)
                print(report.table(backend, figures))
                everything[backend] = report.summary(figures)
                if asked.output:
                    report.plot(backend, figures, asked.output)
            if (asked.http or asked.http_only) and http_load.is_possible():
                by_server = http_load.compare(
                    asked.peers, asked.servers, backend, databases, asked.http_rounds
                )
                for server, served in by_server.items():
                    print(report.http_table(backend, server, served))
                    everything[f"{backend} over HTTP, {server}"] = served
                    if asked.output:
                        report.plot_http(backend, server, served, asked.output)
    if asked.output:
        report.write(everything, asked.output)


if __name__ == "__main__":
    main()
