"""Partial responses (H-15)."""

from typing import Any

import pytest
from support.listings import GROWTHS, LICHENS, invalid, items, listed, store, walk
from webtest import TestApp

NESTED = {
    "n": 1,
    "title": "a",
    "o": {"p": {"q": 1, "r": 2, "s": 3}, "t": 4},
    "null": None,
    "list": [{"x": 1}],
}


def projections(app: TestApp, headers: Any, url: Any, record: Any, fields: Any) -> Any:
    """Return what both endpoints keep of a record, without the members always there."""
    (in_list,) = app.get(f"{url}?_fields={fields}", headers=headers).json["data"]
    alone = app.get(f"{url}/{record['id']}?_fields={fields}", headers=headers).json["data"]
    assert alone == in_list
    assert (alone.pop("id"), alone.pop("last_modified")) == (record["id"], record["last_modified"])
    return alone


@pytest.mark.clause("H-15.1")
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("title", {"title": "a"}),
        ("number,title", {"title": "a", "number": 1}),
        ("title,title", {"title": "a"}),
        ("id", {}),
        ("last_modified", {}),
        ("is_wild", {}),
    ],
)
def test_only_the_fields_asked_for_are_returned(
    app: TestApp, headers: dict[str, str], fields: str, expected: dict[str, Any]
) -> None:
    growth = {"title": "a", "number": 1, "address": {"street": "x"}}
    (record,) = store(app, headers, GROWTHS, growth)

    assert projections(app, headers, GROWTHS, record, fields) == expected


@pytest.mark.clause("H-15.1", "H-11.8")
@pytest.mark.parametrize("of_record", [False, True])
def test_head_has_the_length_of_the_projection(
    app: TestApp, headers: dict[str, str], of_record: bool
) -> None:
    (record,) = store(app, headers, GROWTHS, {"title": "a", "number": 1})
    url = f"{GROWTHS}/{record['id']}" if of_record else GROWTHS

    partial = app.head(f"{url}?_fields=title", headers=headers)

    expected = app.get(f"{url}?_fields=title", headers=headers).headers["Content-Length"]
    assert partial.headers["Content-Length"] == expected
    assert expected != app.head(url, headers=headers).headers["Content-Length"]


@pytest.mark.clause("H-15.2", "D-33")
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("o.t", {"o": {"t": 4}}),
        ("o.p", {"o": {"p": {"q": 1, "r": 2, "s": 3}}}),
        ("o.p.q", {"o": {"p": {"q": 1}}}),
        ("o.p.q,o.p.r", {"o": {"p": {"q": 1, "r": 2}}}),
        ("o.p.q,o.t", {"o": {"p": {"q": 1}, "t": 4}}),
        ("o.p.q,title", {"o": {"p": {"q": 1}}, "title": "a"}),
        ("o.zz", {"o": {}}),
        ("o.p.zz", {"o": {"p": {}}}),
        ("n.x", {"n": 1}),
        ("null.x", {"null": None}),
        ("list.x", {"list": [{"x": 1}]}),
        ("o.t.x", {"o": {"t": 4}}),
        ("zz.x", {}),
    ],
)
def test_paths_select_inside_objects(
    app: TestApp, headers: dict[str, str], fields: str, expected: dict[str, Any]
) -> None:
    (record,) = store(app, headers, LICHENS, NESTED)

    assert projections(app, headers, LICHENS, record, fields) == expected


@pytest.mark.clause("H-15.2")
def test_paths_select_inside_declared_fields(app: TestApp, headers: dict[str, str]) -> None:
    (record,) = store(app, headers, GROWTHS, {"address": {"street": "x", "town": "y"}})

    found = projections(app, headers, GROWTHS, record, "address.street")

    assert found == {"address": {"street": "x"}}


@pytest.mark.clause("H-15.3")
@pytest.mark.parametrize(
    ("fields", "unknown"),
    [
        ("colour", "colour"),
        ("title,colour", "colour"),
        ("colour,title,shape", "colour,shape"),
        ("colour.red", "colour"),
        ("Title", "Title"),
    ],
)
@pytest.mark.parametrize("of_record", [False, True])
def test_unknown_roots_are_400(
    app: TestApp, headers: dict[str, str], of_record: bool, fields: str, unknown: str
) -> None:
    (record,) = store(app, headers, GROWTHS, {"title": "a"})
    url = f"{GROWTHS}/{record['id']}" if of_record else GROWTHS
    description = f"Fields {unknown} do not exist"

    response = app.get(f"{url}?_fields={fields}", headers=headers, status=400)

    name = "Invalid _fields parameter"
    assert response.json == invalid(
        description, message=f"{name} in body: {description}", location="body", name=name
    )


@pytest.mark.clause("H-15.4")
@pytest.mark.parametrize("fields", ["zz", "zz,n", "n,zz.y", ",n", ".n,n", "n,%20title"])
def test_unknown_fields_of_a_schemaless_record_are_skipped(
    app: TestApp, headers: dict[str, str], fields: str
) -> None:
    (record,) = store(app, headers, LICHENS, NESTED)

    expected = {"n": 1} if "n" in fields.split(",") else {}
    assert projections(app, headers, LICHENS, record, fields) == expected


@pytest.mark.clause("H-15.5")
def test_empty_fields_mean_the_whole_record(app: TestApp, headers: dict[str, str]) -> None:
    (record,) = store(app, headers, LICHENS, NESTED)

    assert app.get(f"{LICHENS}?_fields=", headers=headers).json["data"] == [record]
    url = f"{LICHENS}/{record['id']}?_fields="
    assert app.get(url, headers=headers).json["data"] == record


@pytest.mark.clause("H-15.5")
@pytest.mark.parametrize("fields", [",", "title,", ",title", ".title", "title,%20number", "title+"])
def test_items_are_not_trimmed_and_an_empty_name_is_unknown(
    app: TestApp, headers: dict[str, str], fields: str
) -> None:
    response = app.get(f"{GROWTHS}?_fields={fields}", headers=headers, status=400)

    assert response.json["details"][0]["name"] == "Invalid _fields parameter"


@pytest.mark.clause("H-15.6")
def test_a_projection_changes_neither_selection_nor_order_nor_headers(
    app: TestApp, headers: dict[str, str]
) -> None:
    store(app, headers, GROWTHS, *({"number": n, "title": "x"} for n in (3, 1, 2, 9)))
    query = "max_number=3&_sort=number"

    complete = app.get(f"{GROWTHS}?{query}", headers=headers)
    partial = app.get(f"{GROWTHS}?{query}&_fields=title", headers=headers)

    assert [item["id"] for item in partial.json["data"]] == [
        item["id"] for item in complete.json["data"]
    ]
    assert all(item.keys() == {"id", "last_modified", "title"} for item in partial.json["data"])
    for header in ("ETag", "Last-Modified", "Total-Records"):
        assert partial.headers[header] == complete.headers[header]


@pytest.mark.clause("H-15.6")
def test_a_projection_holds_on_every_page_even_without_the_sort_field(
    app: TestApp, headers: dict[str, str]
) -> None:
    store(app, headers, GROWTHS, *({"number": n, "title": "x"} for n in (3, 1, 2, 9, 4)))

    pages = walk(app, headers, f"{GROWTHS}?_fields=title&_limit=2&_sort=number")

    found = items(pages)
    assert [item["id"] for item in found] == listed(app, headers, f"{GROWTHS}?_sort=number")
    assert all(item.keys() == {"id", "last_modified", "title"} for item in found)


@pytest.mark.clause("H-15.8", "D-30")
@pytest.mark.parametrize("fields", ["title", "deleted", "number,title"])
def test_tombstones_keep_their_mark(app: TestApp, headers: dict[str, str], fields: str) -> None:
    kept, gone = store(app, headers, GROWTHS, {"title": "kept"}, {"title": "gone"})
    tombstone = app.delete(f"{GROWTHS}/{gone['id']}", headers=headers).json["data"]

    found = app.get(f"{GROWTHS}?_since=0&_fields={fields}", headers=headers).json["data"]

    assert found[0] == tombstone
    assert found[1]["id"] == kept["id"]
    assert "deleted" not in found[1]
