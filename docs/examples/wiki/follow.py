"""Print the pages that a user may read, and then each change, until Ctrl-C.

Usage: ``python follow.py USER PASSWORD``. The pages are kept in a file, so that a second start only
asks for what has changed since the first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import httpx
from cliquet.client import Change, Collection, Replica

URL = "http://localhost:8888/v1/pages"


def line(change: Change) -> str:
    """Return a change in words."""
    if change.record is None:
        return f"- {change.id}"
    return f"* {change.id}: {change.record['title']}"


def follow(
    url: str, user: str, password: str, file: str, told: Callable[[str], object]
) -> Iterator[Change]:
    """Tell what there is, and then what changes; give each change to the caller.

    Parameters
    ----------
    file : file of the copy.
    told : is called with each line.
    """
    with httpx.Client(auth=(user, password)) as http:
        pages = Collection(url, Replica(file), http=http)
        pages.sync()
        for name, page in sorted(pages.items()):
            told(f"  {name}: {page['title']}")
        for change in pages.follow():
            told(line(change))
            yield change


if __name__ == "__main__":
    user, password = sys.argv[1:]
    try:
        for _ in follow(URL, user, password, f"{user}.sqlite", print):
            pass
    except KeyboardInterrupt:
        pass
