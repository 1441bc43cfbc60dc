"""Pages of a listing (H-14)."""

import base64
import json
import random
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlencode, urlsplit

import pytest
from support.listings import GROWTHS, LICHENS, invalid, items, listed, store, walk
from support.shared_apps import make_app
from testapp import RESOURCES, Lichen
from webtest import TestApp

from cliquet import resource
from cliquet.settings import SettingError
from cliquet.storage import Filter
from cliquet.storage.query import COMPARISON
from cliquet.testing.bounded import Threads
from cliquet.testing.web import basic_auth

SORTS = (
    "",
    "v",
    "-v",
    "w,v",
    "-w,-v",
    "w,-v",
    "-w,v",
    "last_modified",
    "-last_modified",
    "w,last_modified",
    "id",
    "-id",
    "v,id",
    "-v,-id,w",
    "deleted,v",
    "-deleted,w",
    "o,v",
    "none",
)
SELECTIONS = ("", "_since=0", "_since=0&not_w=2", "w=1", "min_v=1")
LIMITS = (1, 2, 7)

# Several of a kind, all types, and records that lack the field.
VALUES = [1, 1, 1.0, 10, 9, "1", "a", "a", "B", None, None, True, False, [1], [1], [], {"a": 1}]
VALUES += [{"a": None}, "\u00e9", 0, -3.5]


def _mixed_records() -> Any:
    records = [{"w": n % 3, "v": value, "o": {"p": n % 2}} for n, value in enumerate(VALUES)]
    records += [{"w": n} for n in (1, 2)] + [{"v": 1}, {}, {"w": "text"}, {"w": None}]  # type: ignore[arg-type]
    random.Random(1).shuffle(records)
    # A third imported with the same two timestamps.
    for n, record in enumerate(records):
        if n % 3 == 0:
            record["last_modified"] = 1000 + n % 2
    return [{"w": "first"}, *records]


def mixed(app: TestApp, headers: Any) -> Any:
    """Store records of all sorts, several tombstones among them; return how many of both."""
    stored = store(app, headers, LICHENS, *_mixed_records())
    for record in stored[1::6]:
        app.delete(f"{LICHENS}/{record['id']}", headers=headers)
    return stored


@pytest.fixture(scope="module")
def app() -> TestApp:
    """One application for all: each test is another user, whose records nobody else sees."""
    return make_app(RESOURCES)


@pytest.fixture(scope="module")
def mixed_user(app: TestApp) -> dict[str, str]:
    """Give the headers of a user with records and tombstones of all sorts, only read."""
    headers = basic_auth(uuid.uuid4().hex)
    mixed(app, headers)
    return headers


@pytest.fixture
def numbered(app: TestApp, headers: dict[str, str]) -> Any:
    """Store five records, numbered from 0 in order of creation."""
    return store(app, headers, LICHENS, *({"n": n} for n in range(5)))


# Walks


@pytest.mark.slow
@pytest.mark.clause("H-14.7", "H-14.1", "D-24", "D-25", "D-26", "D-28", "D-71", "H-14.6", "X-26")
@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize("sort", SORTS)
def test_a_walk_gives_each_item_once_in_the_order_of_the_whole_list(
    app: TestApp, mixed_user: dict[str, str], sort: str, selection: str, limit: int
) -> None:
    url = f"{LICHENS}?_sort={sort}&{selection}"
    whole = app.get(url, headers=mixed_user)

    pages = walk(app, mixed_user, f"{url}&_limit={limit}")

    expected = whole.json["data"]
    assert len(expected) > 3
    assert items(pages) == expected
    assert [len(page.json["data"]) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert 1 <= len(pages[-1].json["data"]) <= limit
    assert {page.headers["Total-Records"] for page in pages} == {whole.headers["Total-Records"]}


@pytest.mark.clause("D-24")
@pytest.mark.parametrize("sort", ["", "n", "-n", "last_modified"])
def test_items_alike_in_everything_are_neither_lost_nor_repeated(
    app: TestApp, headers: dict[str, str], sort: str
) -> None:
    store(app, headers, LICHENS, {"n": "recent"})
    imported = store(app, headers, LICHENS, *[{"n": 1, "last_modified": 1000}] * 4)

    pages = walk(app, headers, f"{LICHENS}?n=1&_limit=1&_sort={sort}")

    assert sorted(item["id"] for item in items(pages)) == sorted(r["id"] for r in imported)


@pytest.mark.slow
@pytest.mark.clause("H-14.10", "H-14.7", "D-71")
@pytest.mark.parametrize("limit", [1, 2, 7])
@pytest.mark.parametrize("selection", ["", "_since=0"])
@pytest.mark.parametrize("sort", ["", "v", "-v", "w,-v", "last_modified", "id", "-deleted,v"])
def test_writes_of_other_records_neither_hide_nor_repeat_items(
    app: TestApp, headers: dict[str, str], sort: str, selection: str, limit: int
) -> None:
    chance = random.Random(2)
    lasting = mixed(app, headers)
    others = store(app, headers, LICHENS, *({"v": value, "w": 1} for value in VALUES[::2]))
    lasting_ids = {record["id"] for record in lasting}
    url = f"{LICHENS}?_sort={sort}&{selection}"
    expected = [i for i in app.get(url, headers=headers).json["data"] if i["id"] in lasting_ids]

    def write(pages: Any) -> None:
        if len(pages) > 8:
            return  # In order of change, writing faster than reading never ends.
        body = {"data": {"v": chance.choice(VALUES), "w": chance.choice([1, 2, None])}}
        others.append(app.post_json(LICHENS, body, headers=headers).json["data"])
        for _ in range(2):
            other = others.pop(chance.randrange(len(others)))
            app.delete(f"{LICHENS}/{other['id']}", headers=headers)
        changed = app.post_json(LICHENS, body, headers=headers).json["data"]
        app.patch_json(f"{LICHENS}/{changed['id']}", {"data": {"v": 1}}, headers=headers)
        others.append(changed)

    pages = walk(app, headers, f"{url}&_limit={limit}", before_next=write)

    assert len(pages) > 2
    assert [item for item in items(pages) if item["id"] in lasting_ids] == expected


@pytest.mark.clause("H-14.10")
def test_a_page_starts_after_the_last_item_even_when_that_is_gone(
    app: TestApp, headers: dict[str, str], numbered: list[Any]
) -> None:
    first = app.get(f"{LICHENS}?_limit=2&_sort=n", headers=headers)
    for record in numbered[:2]:
        app.delete(f"{LICHENS}/{record['id']}", headers=headers)
    store(app, headers, LICHENS, {"n": -1}, {"n": 1.5})

    second = app.get(first.headers["Next-Page"], headers=headers)

    assert [item["n"] for item in second.json["data"]] == [1.5, 2]


@pytest.mark.clause("D-27", "H-11.6")
@pytest.mark.parametrize("sort", ["n", "-n", ""])
def test_a_page_beyond_the_end_is_empty(
    app: TestApp, headers: dict[str, str], numbered: list[Any], sort: str
) -> None:
    first = app.get(f"{LICHENS}?_limit=3&_sort={sort}", headers=headers)
    kept = {item["id"] for item in first.json["data"]}
    for record in numbered:
        if record["id"] not in kept:
            app.delete(f"{LICHENS}/{record['id']}", headers=headers)

    beyond = app.get(first.headers["Next-Page"], headers=headers, status=200)

    assert beyond.json == {"data": []}
    assert beyond.headers["Total-Records"] == "3"
    assert "Next-Page" not in beyond.headers


# Size of pages


@pytest.mark.clause("H-14.1", "H-14.6", "D-20")
@pytest.mark.parametrize(
    ("limit", "size", "has_next"),
    [
        ("1", 1, True),
        ("4", 4, True),
        ("5", 5, False),
        ("6", 5, False),
        ("1000000", 5, False),
        ("9" * 40, 5, False),
    ],
)
def test_a_limit_is_the_maximal_size_of_the_page(
    app: TestApp,
    headers: dict[str, str],
    numbered: list[Any],
    limit: str,
    size: int,
    has_next: bool,
) -> None:
    response = app.get(f"{LICHENS}?_limit={limit}", headers=headers)

    assert len(response.json["data"]) == size
    assert ("Next-Page" in response.headers) is has_next


@pytest.mark.clause("H-14.2", "D-20")
@pytest.mark.parametrize("limit", ["abc", "1.5", "0", "-1", "00", "+", "1e3", "None", "%D9%A1"])
@pytest.mark.parametrize("paginate_by", [None, "2"])
def test_what_is_no_positive_integer_is_400(
    headers: dict[str, str], limit: str, paginate_by: str | None
) -> None:
    settings = {"paginate_by": paginate_by} if paginate_by else {}
    app = make_app([Lichen], settings=settings)
    description = "_limit should be an integer"

    response = app.get(f"{LICHENS}?_limit={limit}", headers=headers, status=400)

    assert response.json == invalid(description, message=f"querystring: {description}")


@pytest.mark.clause("H-14.3", "D-20", "D-71")
@pytest.mark.parametrize(
    ("query", "size"),
    [
        ("", 3),
        ("?_limit=", 3),
        ("?_limit=1", 1),
        ("?_limit=3", 3),
        ("?_limit=4", 3),
        ("?_limit=1000", 3),
        (f"?_limit={'9' * 40}", 3),
    ],
)
def test_the_operator_sets_default_and_ceiling(
    headers: dict[str, str], query: str, size: int
) -> None:
    app = make_app([Lichen], settings={"paginate_by": "3"})
    store(app, headers, LICHENS, *({"n": n} for n in range(7)))

    pages = walk(app, headers, LICHENS + query)

    assert [len(page.json["data"]) for page in pages] == [size] * (7 // size) + [7 % size] * bool(
        7 % size
    )
    assert [item["n"] for item in items(pages)] == [6, 5, 4, 3, 2, 1, 0]
    # The effective one, not the one asked for.
    assert parse_qs(urlsplit(pages[0].headers["Next-Page"]).query)["_limit"] == [str(size)]


@pytest.mark.clause("H-14.4", "D-20")
@pytest.mark.parametrize("query", ["", "?_limit="])
def test_without_limit_a_list_is_whole(app: TestApp, headers: dict[str, str], query: str) -> None:
    store(app, headers, LICHENS, *({"n": n} for n in range(60)))

    response = app.get(LICHENS + query, headers=headers)

    assert len(response.json["data"]) == 60
    assert "Next-Page" not in response.headers


@pytest.mark.clause("D-29", "X-27")
@pytest.mark.setting("storage_max_fetch_size")
@pytest.mark.parametrize("query", ["", "?_limit=100", "?_sort=n&_since=0"])
def test_a_list_cut_by_the_fetch_ceiling_has_a_next_page(
    headers: dict[str, str], query: str
) -> None:
    app = make_app([Lichen], settings={"storage_max_fetch_size": "3"})
    store(app, headers, LICHENS, *({"n": n} for n in range(7)))

    pages = walk(app, headers, LICHENS + query)

    assert [len(page.json["data"]) for page in pages] == [3, 3, 1]
    assert sorted(item["n"] for item in items(pages)) == list(range(7))
    assert {page.headers["Total-Records"] for page in pages} == {"7"}


# The URL of the next page


@pytest.mark.clause("H-14.5")
def test_the_next_page_is_the_same_request_with_limit_and_token(
    app: TestApp, headers: dict[str, str], numbered: list[Any]
) -> None:
    params = [
        ("_sort", "-n"),
        ("_since", "0"),
        ("min_n", "1"),
        ("min_n", "0"),
        ("not_name", "a&b=\u00e9 +c"),
        ("_fields", "n"),
        ("_unknown", ""),
    ]
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in params)

    first = app.get(f"{LICHENS}?{query}&_limit=2", headers=headers)
    second = app.get(first.headers["Next-Page"], headers=headers)

    urls = [urlsplit(first.headers["Next-Page"])]
    assert "Next-Page" not in second.headers
    assert (urls[0].scheme, urls[0].netloc, urls[0].path) == ("http", "localhost", LICHENS)
    found = parse_qsl(urls[0].query, keep_blank_values=True, strict_parsing=True)
    assert found[:-2] == params
    assert [name for name, _ in found[-2:]] == ["_limit", "_token"]
    assert found[-2] == ("_limit", "2")
    assert [item["n"] for item in items([first, second])] == [4, 3, 2, 1]


@pytest.mark.clause("H-14.5")
def test_the_token_is_replaced_on_each_page(
    app: TestApp, headers: dict[str, str], numbered: list[Any]
) -> None:
    pages = walk(app, headers, f"{LICHENS}?_limit=1")

    queries = [parse_qs(urlsplit(page.headers["Next-Page"]).query) for page in pages[:-1]]
    assert all(len(query["_token"]) == len(query["_limit"]) == 1 for query in queries)
    assert len({query["_token"][0] for query in queries}) == 4


@pytest.mark.clause("H-14.6")
@pytest.mark.parametrize("limit", [1, 2, 3, 6])
def test_an_exact_multiple_has_no_empty_page_at_the_end(
    app: TestApp, headers: dict[str, str], limit: int
) -> None:
    store(app, headers, LICHENS, *({"n": n} for n in range(6)))

    pages = walk(app, headers, f"{LICHENS}?_limit={limit}")

    assert [len(page.json["data"]) for page in pages] == [limit] * (6 // limit)


@pytest.mark.clause("H-14.8")
def test_a_repeated_request_gives_the_same_next_page(
    app: TestApp, headers: dict[str, str], numbered: list[Any]
) -> None:
    first = [app.get(f"{LICHENS}?_limit=2&_sort=n", headers=headers) for _ in range(2)]
    second = [app.get(first[0].headers["Next-Page"], headers=headers) for _ in range(2)]

    for one, again in (first, second):
        assert one.headers["Next-Page"] == again.headers["Next-Page"]
        assert one.json == again.json


class Tree(resource.UserResource):
    """Records under a URL with a variable."""


@pytest.mark.clause("H-14.12", "D-70", "H-14.5")
@pytest.mark.parametrize(
    ("host", "scheme", "base"),
    [
        ("localhost:80", "http", "http://localhost"),
        ("localhost:8000", "http", "http://localhost:8000"),
        ("api.example:443", "https", "https://api.example"),
        ("api.example:80", "https", "https://api.example:80"),
    ],
)
def test_the_next_page_keeps_scheme_host_port_and_path_variables(
    headers: dict[str, str], host: str, scheme: str, base: str
) -> None:
    paths = {
        "collection_path": "/forests/{{forest}}/trees",
        "record_path": "/forests/{{forest}}/trees/{{id}}",
    }
    app = make_app([(Tree, paths)])
    environ = {"wsgi.url_scheme": scheme, "HTTP_HOST": host}
    url = "/v0/forests/black%20one/trees"
    for _ in range(2):
        app.post_json(url, {"data": {}}, headers=headers)

    response = app.get(f"{url}?_limit=1", headers=headers, extra_environ=environ)

    assert response.headers["Next-Page"].startswith(f"{base}{url}?")


@pytest.mark.clause("H-14.13")
def test_conditions_detect_changes_while_paging(
    app: TestApp, headers: dict[str, str], numbered: list[Any]
) -> None:
    first = app.get(f"{LICHENS}?_limit=2", headers=headers)
    etag, url = first.headers["ETag"], first.headers["Next-Page"]

    app.get(url, headers={**headers, "If-Match": etag}, status=200)
    app.get(url, headers={**headers, "If-None-Match": etag}, status=304)
    store(app, headers, LICHENS, {"n": 9})

    app.get(url, headers={**headers, "If-Match": etag}, status=412)
    app.get(url, headers={**headers, "If-None-Match": etag}, status=200)


@pytest.mark.clause("H-14.13")
def test_conditions_detect_a_change_just_before_the_page_is_read(
    app: TestApp,
    headers: dict[str, str],
    numbered: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = app.get(f"{LICHENS}?_limit=2", headers=headers)
    etag, url = first.headers["ETag"], first.headers["Next-Page"]
    threads = Threads(1)
    read = Lichen._extract_limit

    def reading(self: Any) -> Any:
        # The conditions were judged before.
        threads.submit(store, app, headers, LICHENS, {"n": 9}).result()
        return read(self)

    monkeypatch.setattr(Lichen, "_extract_limit", reading)
    refused = app.get(url, headers={**headers, "If-Match": etag}, status=412)
    response = app.get(url, headers={**headers, "If-Match": "*"}, status=200)
    monkeypatch.undo()
    threads.shutdown()

    assert refused.json["errno"] == 114
    assert refused.headers["ETag"] > etag
    # Nothing up to this one is missing in the page.
    assert response.headers["ETag"] == refused.headers["ETag"]


# Tokens


def token_of(app: TestApp, headers: Any, url: Any) -> Any:
    """Return the token of the second page."""
    next_page = app.get(url, headers=headers).headers["Next-Page"]
    return parse_qs(urlsplit(next_page).query)["_token"][0]


@pytest.mark.clause("H-14.9")
def test_a_token_holds_the_sort_values_of_the_last_item_and_the_offset(
    app: TestApp, headers: dict[str, str], numbered: list[Any]
) -> None:
    token = token_of(app, headers, f"{LICHENS}?_limit=2&_sort=-n")

    content = json.loads(base64.b64decode(token, validate=True))
    assert content == {
        "last_record": {name: numbered[3][name] for name in ("n", "last_modified", "id")},
        "offset": 2,
    }


GOOD = {"n": 1, "last_modified": 1000, "id": "a"}


def encoded(content: Any) -> Any:
    return base64.b64encode(json.dumps(content).encode()).decode()


@pytest.mark.clause("H-14.11", "D-21")
@pytest.mark.parametrize(
    "token",
    [
        "abc",
        "%%%",
        "\u00e9",
        "====",
        base64.b64encode(b"not JSON").decode(),
        base64.b64encode(b"\xff\xfe").decode(),
        base64.b64encode(b'{"last_record": {"n": NaN}, "offset": 1}').decode(),
        encoded([]),
        encoded("text"),
        encoded(None),
        encoded(1),
        encoded({}),
        encoded({"last_record": GOOD}),
        encoded({"offset": 1}),
        encoded({"last_record": None, "offset": 1}),
        encoded({"last_record": [], "offset": 1}),
        encoded({"last_record": {}, "offset": 1}),
        encoded({"last_record": GOOD, "offset": None}),
        encoded({"last_record": GOOD, "offset": "1"}),
        encoded({"last_record": GOOD, "offset": 1.5}),
        encoded({"last_record": GOOD, "offset": -1}),
        encoded({"last_record": GOOD, "offset": True}),
        encoded({"last_record": GOOD, "offset": 10**30}),
        encoded({"last_record": {**GOOD, "m": 1}, "offset": 1}),
        encoded({"last_record": {"n": 1, "id": "a"}, "offset": 1}),
        encoded({"last_record": {"n": 1, "last_modified": 1}, "offset": 1}),
        encoded({"last_record": {**GOOD, "last_modified": "1"}, "offset": 1}),
        encoded({"last_record": {**GOOD, "last_modified": True}, "offset": 1}),
        encoded({"last_record": {**GOOD, "last_modified": -1}, "offset": 1}),
        encoded({"last_record": {**GOOD, "last_modified": 10**18}, "offset": 1}),
        encoded({"last_record": {**GOOD, "last_modified": None}, "offset": 1}),
        encoded({"last_record": {**GOOD, "id": 1}, "offset": 1}),
        encoded({"last_record": {**GOOD, "id": None}, "offset": 1}),
        encoded({"last_record": GOOD, "offset": 1, "total": None}),
        encoded({"last_record": GOOD, "offset": 1, "total": 3}),
        encoded({"last_record": GOOD, "offset": 1, "total": [1, 2]}),
        encoded({"last_record": GOOD, "offset": 1, "total": [1, -2, "a"]}),
        encoded({"last_record": GOOD, "offset": 1, "total": [1, 10**30, "a"]}),
        encoded({"last_record": GOOD, "offset": 1, "total": [True, 2, "a"]}),
        encoded({"last_record": GOOD, "offset": 1, "total": [1, 2, 3]}),
    ],
)
@pytest.mark.parametrize("limit", ["", "&_limit=2"])
def test_a_token_that_cannot_have_been_given_is_400(
    app: TestApp, headers: dict[str, str], numbered: list[Any], token: str, limit: str
) -> None:
    description = "_token has invalid content"

    url = f"{LICHENS}?_sort=n{limit}&_token={quote(token)}"
    response = app.get(url, headers=headers, status=400)

    assert response.json == invalid(description, message=f"querystring: {description}")


@pytest.mark.clause("D-21")
def test_a_token_of_another_order_is_400(
    app: TestApp, headers: dict[str, str], numbered: list[Any]
) -> None:
    token = token_of(app, headers, f"{LICHENS}?_limit=2&_sort=n")

    app.get(f"{LICHENS}?_limit=2&_sort=m&_token={quote(token)}", headers=headers, status=400)
    app.get(f"{LICHENS}?_limit=2&_token={quote(token)}", headers=headers, status=400)


@pytest.mark.clause("D-21", "D-26")
@pytest.mark.parametrize("value", [1, "a", None, True, [1], {"a": [None]}, 2**53 + 1])
def test_a_token_carries_values_of_any_type(
    app: TestApp, headers: dict[str, str], value: object
) -> None:
    stored = store(app, headers, LICHENS, {"n": value}, {"n": value}, {"n": value})

    pages = walk(app, headers, f"{LICHENS}?_limit=1&_sort=n")

    assert [item["id"] for item in items(pages)] == [record["id"] for record in stored[::-1]]


@pytest.mark.clause("H-14.11")
def test_an_empty_token_is_ignored(
    app: TestApp, headers: dict[str, str], numbered: list[Any]
) -> None:
    assert listed(app, headers, f"{LICHENS}?_limit=2&_token=", "n") == [4, 3]


@pytest.mark.clause("H-14.10", "H-14.4")
def test_a_token_without_limit_gives_all_that_follows(
    app: TestApp, headers: dict[str, str], numbered: list[Any]
) -> None:
    token = token_of(app, headers, f"{LICHENS}?_limit=2&_sort=n")

    assert listed(app, headers, f"{LICHENS}?_sort=n&_token={quote(token)}", "n") == [2, 3, 4]


@pytest.mark.clause("H-14.7")
def test_a_schema_with_optional_fields_is_walked_on_any_of_them(
    app: TestApp, headers: dict[str, str]
) -> None:
    store(
        app, headers, GROWTHS, {"number": 2}, {}, {"title": "a"}, {"number": 10}, {}, {"number": 9}
    )

    for sort in ("number", "-number", "title,number", "-is_wild,number", "address"):
        pages = walk(app, headers, f"{GROWTHS}?_limit=2&_sort={sort}")

        assert [item["id"] for item in items(pages)] == listed(
            app, headers, f"{GROWTHS}?_sort={sort}"
        )


# Totals that nobody needs


@pytest.mark.clause("H-11.9")
@pytest.mark.parametrize(
    "prefer", ["count=none", "return=minimal, Count = none", 'count="none"; x=1', "a,count=none,b"]
)
@pytest.mark.parametrize("query", ["", "?n=1", "?_limit=2", "?_since=0&_limit=2"])
def test_a_client_can_do_without_the_total(
    app: TestApp, headers: dict[str, str], numbered: list[Any], query: str, prefer: str
) -> None:
    counted = app.get(f"{LICHENS}{query}", headers=headers)

    response = app.get(f"{LICHENS}{query}", headers={**headers, "Prefer": prefer})

    assert response.json == counted.json
    assert "Total-Records" not in response.headers
    assert response.headers["Preference-Applied"] == "count=none"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["ETag"] == counted.headers["ETag"]
    assert ("Next-Page" in response.headers) == ("Next-Page" in counted.headers)


@pytest.mark.clause("H-11.9")
@pytest.mark.parametrize("prefer", ["count=exact", "discount=none", "count=nonesuch", "count", ";"])
def test_other_preferences_change_nothing(
    app: TestApp, headers: dict[str, str], numbered: list[Any], prefer: str
) -> None:
    response = app.get(f"{LICHENS}?min_n=1", headers={**headers, "Prefer": prefer})

    assert int(response.headers["Total-Records"]) > 0
    assert "Preference-Applied" not in response.headers


@pytest.mark.clause("H-11.9")
@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("exact", {"first": True, "second": True, "HEAD": True}),
        ("first-page", {"first": True, "second": False, "HEAD": True}),
        ("head", {"first": False, "second": False, "HEAD": True}),
    ],
)
@pytest.mark.setting("{resource_name}_total_records")
def test_the_operator_says_which_lists_have_a_total(policy: str, expected: dict[str, bool]) -> None:
    app = make_app(RESOURCES, settings={"lichen_total_records": policy})
    headers = basic_auth()
    store(app, headers, LICHENS, {"n": 1}, {"n": 2}, {"n": 3})

    url = f"{LICHENS}?min_n=1&_limit=1"
    first = app.get(url, headers=headers)
    second = app.get(first.headers["Next-Page"], headers=headers)
    head = app.head(url, headers=headers)

    answers = {"first": first, "second": second, "HEAD": head}
    assert {name: "Total-Records" in one.headers for name, one in answers.items()} == expected
    assert len(second.json["data"]) == 1


@pytest.mark.clause("H-11.9")
def test_another_word_for_totals_is_refused_at_the_start() -> None:
    with pytest.raises(SettingError, match=r"lichen_total_records.*exact, first-page or head"):
        make_app(RESOURCES, settings={"lichen_total_records": "none"})


# Totals on later pages


def second_page(app: TestApp, headers: Any, query: Any) -> str:
    """Return the address of the second page of a list."""
    url = urlsplit(app.get(f"{LICHENS}?{query}&_limit=2", headers=headers).headers["Next-Page"])
    return f"{url.path}?{url.query}"


def with_total(url: Any, total: Any) -> str:
    """Return the address of a page whose token carries another total."""
    parts = urlsplit(url)
    parameters = dict(parse_qsl(parts.query))
    content = json.loads(base64.b64decode(parameters["_token"]))
    content["total"][1] = total
    parameters["_token"] = encoded(content)
    return f"{parts.path}?{urlencode(parameters)}"


def total(app: TestApp, headers: Any, url: Any) -> int:
    return int(app.get(url, headers=headers).headers["Total-Records"])


@pytest.mark.clause("H-14.9", "H-11.3")
@pytest.mark.parametrize("query", ["_since=0", "min_n=1", "in_n=1,2,3,4,5", "_since=0&_sort=n"])
def test_the_total_is_counted_once_while_nothing_changes(
    app: TestApp, headers: dict[str, str], numbered: list[Any], query: str
) -> None:
    url = second_page(app, headers, query)

    assert total(app, headers, url) == total(app, headers, f"{LICHENS}?{query}")
    if app.app.registry.settings["storage_backend"].endswith(("sqlite", "postgresql")):
        # A total that nobody has counted shows whether one was counted.
        assert total(app, headers, with_total(url, 1000)) == 1000


@pytest.mark.clause("H-14.9", "H-11.3")
@pytest.mark.parametrize("query", ["_since=0", "min_n=1"])
def test_the_total_is_counted_again_after_each_change(
    app: TestApp, headers: dict[str, str], numbered: list[Any], query: str
) -> None:
    url = with_total(second_page(app, headers, query), 1000)
    before = total(app, headers, f"{LICHENS}?{query}")

    app.post_json(LICHENS, {"data": {"n": 3}}, headers=headers)
    assert total(app, headers, url) == before + 1
    app.delete(f"{LICHENS}/{numbered[0]['id']}", headers=headers)
    assert total(app, headers, url) == total(app, headers, f"{LICHENS}?{query}")


@pytest.mark.clause("H-14.9", "H-11.3")
def test_the_total_of_other_filters_or_of_another_user_is_not_taken(
    app: TestApp, headers: dict[str, str], numbered: list[Any]
) -> None:
    url = with_total(second_page(app, headers, "min_n=1"), 1000)
    other = basic_auth("somebody", "else")
    app.post_json(LICHENS, {"data": {"n": 3}}, headers=other)

    assert total(app, headers, url.replace("min_n=1", "min_n=2")) < 1000
    assert total(app, headers, f"{url}&m=1") < 1000
    assert total(app, other, url) == 1


@pytest.mark.clause("H-14.9")
def test_a_list_without_filters_needs_no_total_in_its_token(
    app: TestApp, headers: dict[str, str], numbered: list[Any]
) -> None:
    content = json.loads(base64.b64decode(token_of(app, headers, f"{LICHENS}?_limit=2")))

    assert "total" not in content


class Fading(resource.Model):
    """A model that hides old records, and says that its pages still have a timestamp."""

    pages_have_timestamp = True
    hidden = 0

    def get_records(self, filters: Any = (), **kwargs: Any) -> Any:
        return super().get_records([*filters, Filter("n", self.hidden, COMPARISON.MIN)], **kwargs)


class Petal(Lichen):
    """Records of which the model adds a filter to each list."""

    default_model = Fading


@pytest.mark.clause("H-14.9", "H-11.3")
def test_the_total_of_a_model_with_its_own_lists_is_counted_on_each_page(
    tmp_path: Path, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/petals.db"
    app = make_app(
        [Petal], settings={"storage_backend": "cliquet.storage.sqlite", "storage_url": url}
    )
    app.app.registry.storage.initialize_schema()
    store(app, headers, "/v0/petals", *({"n": n} for n in range(5)))
    first = app.get("/v0/petals?_since=0&_sort=-n&_limit=2", headers=headers)
    monkeypatch.setattr(Fading, "hidden", 1)

    second = app.get(first.headers["Next-Page"], headers=headers)

    assert first.headers["Total-Records"] == "5"
    assert second.headers["Total-Records"] == "4"


@pytest.mark.clause("H-14.9")
def test_a_token_rather_has_its_values_than_the_total(
    app: TestApp, headers: dict[str, str]
) -> None:
    """Without them, nothing would follow records that were deleted meanwhile."""
    stored = store(app, headers, LICHENS, *({"n": n, "v": f"{n}{'v' * 620}"} for n in range(4)))
    first = app.get(f"{LICHENS}?_sort=v&min_n=0&_limit=2", headers=headers)
    for record in stored[:3]:
        app.delete(f"{LICHENS}/{record['id']}", headers=headers)

    second = app.get(first.headers["Next-Page"], headers=headers)

    assert [item["n"] for item in items([second])] == [3]
    assert second.headers["Total-Records"] == "1"


@pytest.mark.clause("E-20.2")
@pytest.mark.parametrize("settings", [{}, {"sync_enabled": "true"}])
def test_the_next_page_is_linked_in_the_way_of_the_standard_too(
    settings: dict[str, str], headers: dict[str, str]
) -> None:
    app = make_app(RESOURCES, settings=settings)
    for name in ("Cep", "Morel"):
        app.post_json("/v0/mushrooms", {"data": {"name": name}}, headers=headers)

    url = "/v0/mushrooms?_limit=1" + ("&_sync=" if settings else "")
    page = app.get(url, headers=headers).headers
    last = app.get(page["Next-Page"], headers=headers).headers

    assert page["Link"] == f'<{page["Next-Page"]}>; rel="next"'
    assert "Link" not in last
