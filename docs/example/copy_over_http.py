"""An example of a script that copies a collection from one service to another over HTTP.

It needs nothing but the protocol, and may be run again.
"""

from __future__ import annotations

import base64
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any


def send(url: str, user: str, method: str = "GET", body: Any = None) -> tuple[Any, Any]:
    """Return the JSON and the headers of the answer to a request of ``name:password``."""
    headers = {
        "Authorization": "Basic " + base64.b64encode(user.encode()).decode(),
        "Content-Type": "application/json",
    }
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response), response.headers


def records(url: str, user: str) -> Iterator[dict[str, Any]]:
    """Yield the records of a collection, the oldest first."""
    page: str | None = f"{url}?_sort=last_modified"
    while page:
        answer, headers = send(page, user)
        yield from answer["data"]
        page = headers.get("Next-Page")


def copy(source: str, target: str, user: str) -> int:
    """Copy the records of a user, with ids, timestamps and permissions; return their number.

    What the target has already, or has in a later version, stays.
    """
    try:
        known = {record["id"]: record["last_modified"] for record in records(target, user)}
    except urllib.error.HTTPError as error:
        if error.code != 403:  # So is the list of a user with whom nothing is shared yet.
            raise
        known = {}
    number = 0
    for record in records(source, user):
        if record["last_modified"] > known.get(record["id"], 0):
            whole, _ = send(f"{source}/{record['id']}", user)
            body = {name: whole[name] for name in ("data", "permissions") if name in whole}
            send(f"{target}/{record['id']}", user, "PUT", body)
            number += 1
    return number


if __name__ == "__main__":
    # copy_over_http.py http://old/v1/mushrooms http://new/v1/mushrooms name:password
    print(copy(*sys.argv[1:]))
