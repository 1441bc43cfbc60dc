"""Clients that keep their connection open, and send requests at once."""

import http.client
import json
import threading
from typing import Any, NamedTuple

from cliquet.testing.bounded import Thread

TIMEOUT_SECONDS = 60
PATIENCE_SECONDS = 60


class Answer(NamedTuple):
    """One response, read to its end.

    Attributes
    ----------
    headers : by their names in lower case.
    """

    status: int
    headers: dict
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        return self.json["data"]

    @property
    def is_error(self) -> bool:
        return self.status >= 500


class Client:
    """One user on one connection, for one thread."""

    def __init__(self, port: Any, headers: Any) -> None:
        self.headers = headers
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)

    def send(self, method: str, path: str, body: Any = None, **headers: Any) -> Any:
        """Send a request and return its response.

        Raises
        ------
        OSError, http.client.HTTPException : the connection broke; the next request opens another.
        """
        content = None
        sent = {**self.headers, **{k.replace("_", "-"): v for k, v in headers.items()}}
        if body is not None:
            content = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        response = None
        try:
            self.connection.request(method, path, content, sent)
            response = self.connection.getresponse()
            read = response.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            if response is not None:
                response.close()
            raise
        lowered = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, lowered, read)

    def batch(self, requests: Any) -> Any:
        """Send a batch of triples (method, path, data)."""
        entries = [
            {"method": method, "path": path, "body": {"data": data}}
            for method, path, data in requests
        ]
        return self.send("POST", "/v0/batch", {"requests": entries})

    def close(self) -> None:
        self.connection.close()


def at_once(functions: Any) -> Any:
    """Call functions in a thread each, from the same instant on; return what they return."""
    barrier = threading.Barrier(len(functions), timeout=PATIENCE_SECONDS)
    outcomes = [None] * len(functions)

    def run(rank: Any, function: Any) -> None:
        try:
            barrier.wait()
            outcomes[rank] = function()
        except Exception as error:
            outcomes[rank] = error  # type: ignore[call-overload]

    threads = [Thread(target=run, args=pair) for pair in enumerate(functions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    return outcomes


def everyone(clients: Any, methods: Any, path: str, data: Any = None, **headers: Any) -> Any:
    """Let each client send the same request at once, and return the responses.

    Parameters
    ----------
    methods : one for all, or one for each.
    data : what the bodies hold besides ``rank``, which says whose it is.
    """
    if isinstance(methods, str):
        methods = [methods] * len(clients)

    def request(rank: Any, client: Any, method: str) -> Any:
        has_body = method in ("POST", "PUT", "PATCH")
        body = {"data": {**(data or {}), "rank": rank}} if has_body else None
        return lambda: client.send(method, path, body, **headers)

    return at_once([request(n, *pair) for n, pair in enumerate(zip(clients, methods, strict=True))])
