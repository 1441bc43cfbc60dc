"""Pages of records whose sort values are too long for a URL (H-14)."""

import base64
import itertools
import json
import random
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

import pytest
from support.listings import LICHENS, items, store, walk
from support.shared_apps import make_app
from testapp import RESOURCES
from webtest import TestApp

from cliquet import resource
from cliquet.testing.web import basic_auth

ALICE, BOB = basic_auth("alice"), basic_auth("bob")
# RFC 3986 3.4.
MAY_STAND = "/?:@!$'()*,[]"
LONG = 6_000
VERY_LONG = 60_000
MAX_TOKEN = 1_000


def long_title(n: Any, size: Any = LONG) -> str:
    """Return a long text; all are alike but for their end."""
    return f"{'t' * size}{n:03}"


def store_directly(app: TestApp, headers: Any, *records: Any) -> None:
    """Store records without sending them: WebOb leaves the temporary files of large bodies open."""
    user = app.get("/v0/", headers=headers).json["user"]["id"]
    for record in records:
        app.app.registry.storage.create(collection_id="lichen", parent_id=user, record=record)


@pytest.fixture
def titled(app: TestApp, headers: dict[str, str]) -> Any:
    """Store twelve records with long titles, in pairs."""
    return store(app, headers, LICHENS, *({"t": long_title(n // 2), "n": n} for n in range(12)))


def token_of(response: Any) -> Any:
    return parse_qs(urlsplit(response.headers["Next-Page"]).query)["_token"][0]


def numbers(response: Any) -> list[Any]:
    return [item["n"] for item in response.json["data"]]


def edit(app: TestApp, headers: Any, record: Any, **changes: Any) -> None:
    app.patch_json(f"{LICHENS}/{record['id']}", {"data": changes}, headers=headers)


def delete(app: TestApp, headers: Any, record: Any) -> None:
    app.delete(f"{LICHENS}/{record['id']}", headers=headers)


# Walks


@pytest.mark.clause("H-14.7", "H-14.5")
@pytest.mark.parametrize("size", [500, LONG, VERY_LONG])
@pytest.mark.parametrize("sort", ["t", "-t", "t,-n", "o.t,t", "-l,t", "m,t"])
@pytest.mark.parametrize("limit", [1, 3])
def test_a_walk_by_long_values_is_whole_and_its_urls_are_short(
    app: TestApp, headers: dict[str, str], size: int, sort: str, limit: int
) -> None:
    texts = [long_title(n, size) for n in (3, 1, 2, 1)]
    records = [{"n": n, "t": t, "o": {"t": t}, "l": [t, None]} for n, t in enumerate(texts)]
    store_directly(app, headers, *records, {"t": None}, {"t": {"a": texts[0]}}, {})
    url = f"{LICHENS}?_sort={sort}"

    pages = walk(app, headers, f"{url}&_limit={limit}")

    assert items(pages) == app.get(url, headers=headers).json["data"]
    for page in pages[:-1]:
        assert len(quote(token_of(page), safe="")) <= MAX_TOKEN
        assert len(page.headers["Next-Page"]) < len(url) + 1100


@pytest.mark.clause("H-14.9")
def test_the_plain_token_is_written_as_long_as_it_is_short(
    app: TestApp, headers: dict[str, str]
) -> None:
    store(app, headers, LICHENS, *({"t": long_title(n, 300)} for n in range(2)))
    first = app.get(f"{LICHENS}?_sort=t&_limit=1", headers=headers)
    (record,) = first.json["data"]
    last_record = {name: record[name] for name in ("t", "last_modified", "id")}
    assert json.loads(base64.b64decode(token_of(first))) == {
        "last_record": last_record,
        "offset": 1,
    }


@pytest.mark.clause("H-14.7")
def test_as_many_fields_as_can_be_sorted_on_fit_a_token(
    app: TestApp, headers: dict[str, str]
) -> None:
    fields = [f"f{n}" for n in range(63)]
    for _ in range(4):
        store_directly(app, headers, dict.fromkeys(fields, "v" * 300))
    url = f"{LICHENS}?_sort={','.join(fields)}"
    pages = walk(app, headers, f"{url}&_limit=1")
    assert items(pages) == app.get(url, headers=headers).json["data"]
    assert all(len(token_of(page)) <= MAX_TOKEN for page in pages[:-1])


@pytest.mark.clause("H-14.8")
def test_a_page_asked_for_again_has_the_same_next_page(
    app: TestApp, headers: dict[str, str], titled: list[Any]
) -> None:
    url = f"{LICHENS}?_sort=t&_limit=2"
    found = {app.get(url, headers=headers).headers["Next-Page"] for _ in range(2)}
    assert len(found) == 1


# Changes between two pages


CHANGES = {
    "other members of the last": lambda page, after: [(edit, page[-1], {"n": -1})],
    "the last": lambda page, after: [(edit, page[-1], {"t": "a"})],
    "the last to the end": lambda page, after: [(edit, page[-1], {"t": long_title(999)})],
    "the last is deleted": lambda page, after: [(delete, page[-1], {})],
    "the next": lambda page, after: [(edit, after, {"t": "a"})],
    "the next is deleted": lambda page, after: [(delete, after, {})],
    "the whole page is deleted": lambda page, after: [(delete, record, {}) for record in page],
    "the last and the next": lambda page, after: [
        (delete, page[-1], {}),
        (edit, after, {"t": long_title(999)}),
    ],
    "all but the first of the page": lambda page, after: [
        (delete, record, {}) for record in (*page[1:], after)
    ],
}


@pytest.mark.clause("H-14.10", "H-14.7")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("sort", ["t", "-t", "t,last_modified", "t,id", "o,-t"])
def test_what_did_not_change_is_neither_skipped_nor_repeated(
    app: TestApp, headers: dict[str, str], titled: list[Any], change: str, sort: str
) -> None:
    whole = app.get(f"{LICHENS}?_sort={sort}", headers=headers).json["data"]
    first = app.get(f"{LICHENS}?_sort={sort}&_limit=4", headers=headers)
    changed = CHANGES[change](whole[:4], whole[4])
    for function, record, changes in changed:  # type: ignore[attr-defined]
        function(app, headers, record, **changes)
    store(app, headers, LICHENS, {"t": long_title(2), "n": 100}, {"t": "z", "n": 101})

    pages = [first, *walk(app, headers, first.headers["Next-Page"])]

    touched = {record["id"] for _, record, _ in changed}  # type: ignore[attr-defined]
    kept = {record["id"] for record in whole} - touched
    found = [item["id"] for item in items(pages)]
    unchanged = [record["id"] for record in whole if record["id"] in kept]
    assert [record_id for record_id in found if record_id in kept] == unchanged


@pytest.mark.clause("H-14.10", "H-14.7")
@pytest.mark.parametrize("sort", ["t", "-t", "n,-t"])
def test_a_walk_bears_an_edit_before_each_of_its_pages(
    app: TestApp, headers: dict[str, str], titled: list[Any], sort: str
) -> None:
    chance = random.Random(3)
    whole = app.get(f"{LICHENS}?_sort={sort}", headers=headers).json["data"]
    lasting = {record["id"] for record in whole[1::3]}
    others = [record for record in whole if record["id"] not in lasting]

    def write(pages: Any) -> None:
        if others:
            record = others.pop(chance.randrange(len(others)))
            if chance.random() < 0.5:
                edit(app, headers, record, t=long_title(chance.randrange(9)))
            else:
                delete(app, headers, record)

    pages = walk(app, headers, f"{LICHENS}?_sort={sort}&_limit=3", before_next=write)

    found = [item["id"] for item in items(pages) if item["id"] in lasting]
    assert found == [record["id"] for record in whole if record["id"] in lasting]


@pytest.mark.clause("H-14.11", "H-14.13")
def test_a_position_that_nobody_knows_any_more_is_412_and_the_client_begins_again(
    app: TestApp, headers: dict[str, str], titled: list[Any]
) -> None:
    url = f"{LICHENS}?_sort=t&_limit=2"
    whole = app.get(f"{LICHENS}?_sort=t", headers=headers).json["data"]
    first = app.get(url, headers=headers)
    for record in whole[:3]:
        edit(app, headers, record, t="a")
    refused = app.get(first.headers["Next-Page"], headers=headers, status=412)
    assert refused.json["errno"] == 114
    assert "list again" in refused.json["message"]
    assert len(items(walk(app, headers, url))) == 12


@pytest.mark.clause("X-15")
@pytest.mark.parametrize("sort", ["t", "-t"])
def test_a_deletion_page_by_page_deletes_all(
    app: TestApp, headers: dict[str, str], titled: list[Any], sort: str
) -> None:
    url = f"{LICHENS}?_sort={sort}&_limit=5"
    deleted = []
    while url:
        response = app.delete(url, headers=headers)
        deleted += response.json["data"]
        url = response.headers.get("Next-Page")
        assert url is None or len(url) < 1200
    assert len(deleted) == 12
    assert app.get(LICHENS, headers=headers).json["data"] == []


@pytest.mark.clause("H-12.17", "H-14.7")
def test_tombstones_are_walked_with_records_of_long_values(
    app: TestApp, headers: dict[str, str], titled: list[Any]
) -> None:
    for record in titled[::3]:
        delete(app, headers, record)
    url = f"{LICHENS}?_since=0&_sort=-t"
    pages = walk(app, headers, f"{url}&_limit=1")
    assert items(pages) == app.get(url, headers=headers).json["data"]


# Tokens


def pack(content: Any) -> Any:
    return base64.b64encode(json.dumps(content).encode()).decode()


@pytest.mark.clause("D-21", "H-14.11")
def test_a_damaged_token_of_long_values_is_400(
    app: TestApp, headers: dict[str, str], titled: list[Any]
) -> None:
    token = token_of(app.get(f"{LICHENS}?_sort=t&_limit=2", headers=headers))
    content = json.loads(base64.b64decode(token))
    anchor = content["before"][0]
    bad_anchors = [
        [],
        None,
        anchor[:2],
        [*anchor, 1],
        [1, *anchor[1:]],
        [*anchor[:2], 5],
        [anchor[0], "1", anchor[2]],
        [anchor[0], True, anchor[2]],
        [anchor[0], 10**18, anchor[2]],
        "abc",
    ]
    damaged = [{**content, "before": value} for value in (None, [], {}, "a", [anchor] * 9)]
    damaged += [{**content, "before": [bad]} for bad in bad_anchors]
    damaged += [{**content, "following": bad} for bad in bad_anchors if bad is not None]
    damaged += [{**content, "offset": bad} for bad in (None, "1", -1, True, 10**30)]
    damaged += [{**content, "order": bad} for bad in (None, "1", content["order"] + 1)]
    damaged += [{**content, "more": 1}, {"before": content["before"]}]
    for bad in damaged:
        url = f"{LICHENS}?_sort=t&_limit=2&_token={quote(pack(bad))}"
        response = app.get(url, headers=headers, status=400)
        assert response.json["message"] == "querystring: _token has invalid content", bad


@pytest.mark.clause("D-21")
@pytest.mark.parametrize("sort", ["", "-t", "n", "t,n"])
def test_a_token_of_another_order_is_400(
    app: TestApp, headers: dict[str, str], titled: list[Any], sort: str
) -> None:
    token = token_of(app.get(f"{LICHENS}?_sort=t&_limit=2", headers=headers))
    app.get(f"{LICHENS}?_sort={sort}&_token={quote(token)}", headers=headers, status=400)


@pytest.mark.clause("D-21")
@pytest.mark.parametrize("record_id", ["unknown", "", "*", "é", "x" * 500])
def test_a_forged_anchor_finds_nothing(
    app: TestApp, headers: dict[str, str], titled: list[Any], record_id: str
) -> None:
    token = token_of(app.get(f"{LICHENS}?_sort=t&_limit=2", headers=headers))
    content = json.loads(base64.b64decode(token))
    digest = content["before"][0][2]
    forged = pack({**content, "before": [[record_id, 1, digest]], "following": None})
    app.get(f"{LICHENS}?_sort=t&_token={quote(forged)}", headers=headers, status=412)


class Toadstool(resource.ShareableResource):
    """Everything is kept, and any field can be sorted on."""

    class ToadstoolSchema(resource.ResourceSchema):
        class Options:
            preserve_unknown = True

    mapping = ToadstoolSchema()

    def is_known_field(self, field: Any) -> bool:
        return True


@pytest.mark.clause("D-49", "H-14.7", "H-5.12")
def test_a_shared_listing_is_walked_and_its_token_tells_nothing_of_other_records() -> None:
    app = make_app([Toadstool], settings={"toadstool_create_principals": "system.Everyone"})
    url = "/v0/toadstools"
    ids = []
    for n in range(6):
        body = {"data": {"t": long_title(n)}}
        if n % 2:
            body["permissions"] = {"read": ["system.Authenticated"]}  # type: ignore[dict-item]
        ids.append(app.post_json(url, body, headers=ALICE).json["data"]["id"])

    pages = walk(app, BOB, f"{url}?_sort=t&_limit=1")
    # Databases keep to the beginning of long values: their order is the one of the whole list.
    assert items(pages) == app.get(f"{url}?_sort=t", headers=BOB).json["data"]
    assert {item["id"] for item in items(pages)} == set(ids[1::2])

    # The digest of a value that was guessed right is no different from one that was not.
    whole = walk(app, ALICE, f"{url}?_sort=t&_limit=1")
    hidden = next(page for page in whole[:-1] if page.json["data"][0]["id"] in ids[::2])
    content = json.loads(base64.b64decode(token_of(hidden)))
    assert content["before"][0][0] == hidden.json["data"][0]["id"]
    only = {**content, "before": content["before"][:1], "following": None}
    for digest in (content["before"][0][2], "x" * 22):
        only["before"][0][2] = digest
        app.get(f"{url}?_sort=t&_token={quote(pack(only))}", headers=BOB, status=412)


# The rest of the URL


@pytest.mark.clause("H-14.5")
@pytest.mark.parametrize(
    "params",
    [
        [("in_x", ",".join(f"{n:03}" for n in range(1000)))],
        [("in_x", "[" + ",".join(map(str, range(1000))) + "]")],
        [(f"not_f{n}", "a:b/c@d?e!$'()*") for n in range(90)],
        [("not_x", "a b" * 500), ("not_y", "é+%" * 100)],
    ],
)
def test_the_next_page_is_no_longer_than_its_request_but_for_the_token(
    app: TestApp, headers: dict[str, str], params: list[Any]
) -> None:
    records = [{"x": 7, "t": long_title(n)} for n in range(2)]
    store(app, headers, LICHENS, *records, {"x": "007"}, {"x": "008"})
    # As a client escapes that escapes as little as it may.
    query = "&".join(f"{name}={quote(value, safe=MAY_STAND)}" for name, value in params)
    url = f"{LICHENS}?{query}&_sort=x,t&_limit=1"
    assert len(url) <= 8190

    following = app.get(url, headers=headers).headers["Next-Page"]

    assert parse_qsl(urlsplit(following).query, keep_blank_values=True)[: len(params)] == params
    assert len(following) <= len(f"http://localhost{url}&_token=") + MAX_TOKEN + 10
    assert app.get(following, headers=headers).json["data"]


@pytest.mark.clause("H-14.7")
def test_long_values_of_any_kind_of_character_are_walked(
    app: TestApp, headers: dict[str, str]
) -> None:
    alphabet = ["\u00e9", "\U0001f344", '"', "\\", "\n", "a"]
    texts = ["".join(chars) * 500 for chars in itertools.permutations(alphabet, 2)]
    store_directly(app, headers, *({"t": text} for text in texts))
    pages = walk(app, headers, f"{LICHENS}?_sort=t&_limit=7")
    assert [item["t"] for item in items(pages)] == sorted(texts)
    assert all(len(page.headers["Next-Page"]) < 1200 for page in pages[:-1])


@pytest.mark.clause("X-34", "H-14.5")
@pytest.mark.setting("max_url_bytes")
@pytest.mark.parametrize(
    ("size", "limit", "status"),
    [
        (6_900, "8190", 200),
        (7_500, "8190", 414),
        (8_170, "8190", 414),
        # The server takes longer ones than the setting says.
        (8_300, "8190", 200),
        (8_100, "20000", 200),
        (8_100, "", 200),
    ],
)
def test_a_request_is_refused_at_once_where_its_next_page_would_be(
    headers: dict[str, str], size: int, limit: str, status: int
) -> None:
    app = make_app(RESOURCES, settings={"max_url_bytes": limit})
    store(app, headers, LICHENS, *({"t": long_title(n)} for n in range(12)))
    url = f"{LICHENS}?_sort=t&_limit=10&_comment="
    url += "x" * (size - len(url))
    for method in ("GET", "DELETE"):
        response = app.request(url, method=method, headers=headers, status=status)
        if status == 414:
            assert response.json["errno"] == 107
            assert "max_url_bytes" in response.json["message"]
        else:
            following = response.headers["Next-Page"].removeprefix("http://localhost")
            assert size > 8190 or len(f"DELETE {following} HTTP/1.1") <= int(limit or 10**6)
    # Nothing was deleted.
    left = app.get(LICHENS, headers=headers).json["data"]
    assert len(left) == (12 if status == 414 else 2)
    # One page needs no next one.
    app.get(url.replace("_limit=10", "_limit=12"), headers=headers, status=200)
