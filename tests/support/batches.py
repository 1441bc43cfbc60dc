"""Batches, for the tests that send them."""

from typing import Any

from webtest import TestApp

from cliquet.testing.web import basic_auth


def send(
    app: TestApp,
    requests: Any,
    *,
    defaults: Any = None,
    status: int | str = 200,
    headers: Any = None,
) -> Any:
    """Send a batch and return its responses; or the error, if `status` is one."""
    body = {"requests": requests}
    if defaults is not None:
        body["defaults"] = defaults
    headers = basic_auth() if headers is None else headers
    response = app.post_json("/v0/batch", body, headers=headers, status=status)
    return response.json["responses"] if status == 200 else response.json


def creation(path: str = "/mushrooms", **data: Any) -> dict[str, Any]:
    return {"method": "POST", "path": path, "body": {"data": data}}


def statuses(responses: Any) -> list[Any]:
    return [response["status"] for response in responses]


def names(app: TestApp, url: str = "/v0/mushrooms", headers: Any = None) -> list[Any]:
    """Return the names stored in a collection of the user."""
    response = app.get(url, headers=basic_auth() if headers is None else headers)
    return sorted(record["name"] for record in response.json["data"])
