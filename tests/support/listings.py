"""What the tests of listings share: storing records, reading and walking through collections."""

from typing import Any

from webtest import TestApp

LICHENS = "/v0/lichens"
GROWTHS = "/v0/growths"


def store(app: TestApp, headers: Any, url: Any, *records: Any) -> list[Any]:
    """Store records, the first one first, and return them as they are stored."""
    return [
        app.post_json(url, {"data": record}, headers=headers, status=201).json["data"]
        for record in records
    ]


def listed(app: TestApp, headers: Any, url: Any, field: str = "id") -> list[Any]:
    """Return one field of each item of a list; a dash stands for none."""
    return [item.get(field, "-") for item in app.get(url, headers=headers).json["data"]]


def state(app: TestApp, headers: Any, url: Any) -> Any:
    """Return all that a client can see of a collection: records, tombstones, ETag."""
    response = app.get(f"{url}?min_last_modified=0", headers=headers)
    return response.json["data"], response.headers["ETag"]


def walk(app: TestApp, headers: Any, url: Any, *, before_next: Any = None) -> Any:
    """Follow ``Next-Page`` to the end, and return the responses.

    Parameters
    ----------
    before_next : called with the pages so far before each further one is asked for.
    """
    pages = [app.get(url, headers=headers)]
    while "Next-Page" in pages[-1].headers:
        # A walk that never ends would otherwise block the tests.
        assert len(pages) < 500, "paging does not terminate"
        if before_next is not None:
            before_next(pages)
        pages.append(app.get(pages[-1].headers["Next-Page"], headers=headers))
    return pages


def items(pages: Any) -> list[Any]:
    """Return the items of all pages."""
    return [item for page in pages for item in page.json["data"]]


def invalid(
    description: str, *, message: str, location: str = "querystring", name: str | None = None
) -> dict[str, Any]:
    """Return the body of a 400 with one fault."""
    return {
        "code": 400,
        "errno": 107,
        "error": "Invalid parameters",
        "message": message,
        "details": [{"location": location, "name": name, "description": description}],
    }
