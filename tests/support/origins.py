"""Requests of scripts from other origins, as browsers send them (CORS)."""

from typing import Any

from webtest import TestApp

ORIGIN = "http://a.example"


def allowed_origin(response: Any) -> Any:
    """Return the origin whose scripts may read an answer; ``None`` if there is none."""
    return response.headers.get("Access-Control-Allow-Origin")


def preflight(
    app: TestApp, path: str, method: str = "GET", status: int | str = 200, **headers: Any
) -> Any:
    """Ask whether a script may send a request; keywords are headers, with ``_`` for ``-``."""
    sent = {"Origin": ORIGIN, "Access-Control-Request-Method": method}
    sent.update({name.replace("_", "-"): value for name, value in headers.items()})
    return app.options(path, headers=sent, status=status)
